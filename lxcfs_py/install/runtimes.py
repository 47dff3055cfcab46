"""The table of runtimes that `install` knows."""

import argparse
from collections.abc import Callable, Mapping

from lxcfs_py.install import (
    cdi,
    compose,
    containerd,
    docker,
    kubernetes,
    lxc,
    nspawn,
    oci_hooks,
)
from lxcfs_py.install.changes import Runtime

RUNTIMES: Mapping[str, Runtime] = {
    "cdi": cdi.RUNTIME,
    "containerd": containerd.RUNTIME,
    "crio": oci_hooks.CRIO,
    "docker": docker.RUNTIME,
    "lxc": lxc.RUNTIME,
    "podman": oci_hooks.PODMAN,
}
OF_MACHINES: Mapping[str, Callable[[str], Runtime]] = {"nspawn": nspawn.runtime_of}
"""Those that are told of us machine by machine: `nspawn:web` is one for the machine web."""

PRINTED: Mapping[str, Callable[[argparse.Namespace], str]] = {
    "compose": compose.text,
    "kubernetes": kubernetes.text,
}
"""Those whose settings lie elsewhere: a text of what the arguments of `install` ask for."""

NAMES = (*RUNTIMES, *(f"{name}:MACHINE" for name in OF_MACHINES))
"""What can be named, for a person."""


def find(name: str) -> Runtime | None:
    """The runtime of a name, if there is one."""
    kind, colon, machine = name.partition(":")
    if colon and kind in OF_MACHINES and nspawn.is_machine(machine):
        return OF_MACHINES[kind](machine)
    return RUNTIMES.get(name)


def runtime_of(name: str) -> Runtime:
    """The same for a name that is known to have one."""
    runtime = find(name)
    assert runtime is not None
    return runtime
