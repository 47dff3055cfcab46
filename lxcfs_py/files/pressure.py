"""/proc/pressure/*: the stalls of the container's own cgroup.

Documentation/accounting/psi.rst; Documentation/admin-guide/cgroup-v2.rst, "cpu.pressure". The
cgroup's file has the format of the host's. A container in the root of cgroup2 (engines leave it
there on hybrid hosts) has no stalls that are known to be its own: zeros. Triggers are
fuse/triggers.py's.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile

_NUMBERS = {"cpu": 9, "memory": 10, "io": 11, "irq": 12}
_PREFIX = "proc/pressure/"


def resource_of(path: str) -> str | None:
    """`cpu` for `proc/pressure/cpu`; None for a file that is not about pressure."""
    return path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else None


class Inputs(NamedTuple):
    """The text of a pressure file."""

    text: bytes
    is_own: bool
    """The container's cgroup's; if not, the host's, of which only the form is shown."""


def _gather(path: str, resource: str) -> Callable[[Sources], Inputs | None]:
    def gather(sources: Sources) -> Inputs | None:
        own = sources.pressure(resource)
        if own is not None:
            return Inputs(own, True)
        if sources.age() is None:
            return None
        return Inputs(sources.host_text(path), False)

    return gather


def render(inputs: Inputs) -> bytes:
    """The container's as it is; the host's with zeros."""
    if inputs.is_own:
        return inputs.text
    return re.sub(rb"=\d+", b"=0", re.sub(rb"=\d+\.\d+", b"=0.00", inputs.text))


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`."""
    terms: dict[str, int | float | None] = {}
    fields = []
    for line in text.decode().splitlines():
        kind, *entries = line.split()
        for entry in entries:
            key, value = entry.split("=")
            formula = "0"
            if inputs.is_own:
                terms[f"pressure.{kind}.{key}"] = float(value) if "." in value else int(value)
                formula = f"{{pressure.{kind}.{key}}}"
            fields.append(Field(f"{kind} {key}", value, formula))
    return Explanation(terms, fields)


def _file(resource: str, number: int) -> VirtualFile[Inputs]:
    path = _PREFIX + resource
    return VirtualFile(path, number, _gather(path, resource), render, explain, mode=0o666)


FILES = tuple(_file(resource, number) for resource, number in _NUMBERS.items())
