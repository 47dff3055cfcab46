"""/proc/pressure/*: the stalls of the container's own cgroup.

Documentation/accounting/psi.rst; Documentation/admin-guide/cgroup-v2.rst, "cpu.pressure". The
cgroup's file has the format of the host's. Triggers are fuse/triggers.py's.
"""

from collections.abc import Callable

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile

_NUMBERS = {"cpu": 9, "memory": 10, "io": 11, "irq": 12}
_PREFIX = "proc/pressure/"


def resource_of(path: str) -> str | None:
    """`cpu` for `proc/pressure/cpu`; None for a file that is not about pressure."""
    return path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else None


def _gather(resource: str) -> Callable[[Sources], bytes | None]:
    return lambda sources: sources.pressure(resource)


def render(text: bytes) -> bytes:
    """As it is."""
    return text


def explain(_inputs: bytes, text: bytes) -> Explanation:
    """As it is."""
    terms: dict[str, int | float | None] = {}
    fields = []
    for line in text.decode().splitlines():
        kind, *entries = line.split()
        for entry in entries:
            key, value = entry.split("=")
            terms[f"pressure.{kind}.{key}"] = float(value) if "." in value else int(value)
            fields.append(Field(f"{kind} {key}", value, f"{{pressure.{kind}.{key}}}"))
    return Explanation(terms, fields)


FILES = tuple(
    VirtualFile(_PREFIX + resource, number, _gather(resource), render, explain, mode=0o666)
    for resource, number in _NUMBERS.items()
)
