"""The table of runtimes that `install` knows."""

from collections.abc import Mapping

from lxcfs_py.install import cdi, containerd, docker, lxc, oci_hooks
from lxcfs_py.install.changes import Runtime

RUNTIMES: Mapping[str, Runtime] = {
    "cdi": cdi.RUNTIME,
    "containerd": containerd.RUNTIME,
    "crio": oci_hooks.CRIO,
    "docker": docker.RUNTIME,
    "lxc": lxc.RUNTIME,
    "podman": oci_hooks.PODMAN,
}
