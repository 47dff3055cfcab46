"""The captured kernel text of other machines (tests/capture.py), as if they were ours."""

from pathlib import Path

from lxcfs_py.cgroup import CgroupReader, Descriptors, Hierarchies, discover
from lxcfs_py.host import Host
from lxcfs_py.kernel.pid import parse_membership

_KERNEL_TEXT = Path(__file__).parents[1] / "kernel_text"
_MOUNTPOINT = b" /sys/fs/cgroup"

MACHINES = tuple(sorted(path.name for path in _KERNEL_TEXT.iterdir() if path.is_dir()))


def root_of(machine: str) -> Path:
    """Where a machine's proc and sys are."""
    return _KERNEL_TEXT / machine


def text_of(machine: str, path: str) -> bytes:
    """The text of `proc/meminfo` there."""
    return (root_of(machine) / path).read_bytes()


def hierarchies_of(machine: str, directory: Path) -> Hierarchies:
    """Its cgroup hierarchies; `directory` is for a mountinfo that says where they are now."""
    here = bytes(root_of(machine)).replace(b" ", rb"\040")
    mountinfo = text_of(machine, "proc/self/mountinfo")
    (directory / "proc/self").mkdir(parents=True)
    (directory / "proc/self/mountinfo").write_bytes(
        mountinfo.replace(_MOUNTPOINT, b" " + here + b"/sys/fs/cgroup")
    )
    (directory / "proc/self/cgroup").write_bytes(text_of(machine, "proc/self/cgroup"))
    host = Host(str(directory))
    try:
        return discover(host)
    finally:
        host.close()


def membership_of(machine: str) -> dict[str, str]:
    """The cgroups of its captured container."""
    return parse_membership(text_of(machine, "proc/self/cgroup"))


def reader_of(machine: str, directory: Path) -> CgroupReader:
    """The reader of its captured container."""
    return CgroupReader(hierarchies_of(machine, directory), membership_of(machine), Descriptors())
