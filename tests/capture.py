"""Copy the kernel text that views are made of: `sudo python -m tests.capture DIR`.

DIR is tests/kernel_text/<machine>; its text is never edited by hand. What is copied is this
machine's /proc, and the interface files of a cgroup made for it (tests/support/limited.py draws
it), with a process in it that has used memory, CPU and a disk. The cgroup is gone afterwards.

`proc/self` is that process. Of its mountinfo only the cgroup lines are taken: the others are
nobody's business.
"""

import datetime
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.cgroups import TestCgroup, hierarchies
from tests.support.limited import MIB, limited_cgroup

_HOST_FILES = (
    "proc/cpuinfo",
    "proc/diskstats",
    "proc/loadavg",
    "proc/meminfo",
    "proc/pressure/cpu",
    "proc/pressure/io",
    "proc/pressure/irq",
    "proc/pressure/memory",
    "proc/slabinfo",
    "proc/stat",
    "proc/swaps",
    "proc/sys/vm/overcommit_kbytes",
    "proc/sys/vm/overcommit_ratio",
    "proc/uptime",
    "sys/devices/system/cpu/isolated",
    "sys/devices/system/cpu/offline",
    "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/possible",
    "sys/devices/system/cpu/present",
)
_PROCESS_FILES = ("cgroup", "stat", "status")
_CGROUP_FILES = (
    "blkio.bfq.io_service*_recursive",
    "blkio.throttle.io_service*_recursive",
    "cgroup.controllers",
    "cgroup.procs",
    "cgroup.threads",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.max",
    "cpu.pressure",
    "cpu.stat",
    "cpuacct.stat",
    "cpuacct.usage_all",
    "cpuset.cpus",
    "cpuset.cpus.effective",
    "cpuset.effective_cpus",
    "hugetlb.*.current",
    "hugetlb.*.max",
    "hugetlb.*.*_in_bytes",
    "io.pressure",
    "io.stat",
    "irq.pressure",
    "memory.current",
    "memory.kmem.slabinfo",
    "memory.limit_in_bytes",
    "memory.max",
    "memory.memsw.limit_in_bytes",
    "memory.memsw.usage_in_bytes",
    "memory.pressure",
    "memory.stat",
    "memory.swap.current",
    "memory.swap.max",
    "memory.swappiness",
    "memory.usage_in_bytes",
    "tasks",
)
_BUSY_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Capture this machine."""
    if len(arguments) != 1 or os.geteuid() != 0:
        print("usage: sudo python -m tests.capture DIR", file=sys.stderr)
        return 2
    target = Path(arguments[0])
    target.mkdir(parents=True)
    with limited_cgroup("capture") as container, _process_in(container, target) as pid:
        for name in _HOST_FILES:
            _copy(Path("/", name), target / name)
        for name in _PROCESS_FILES:
            _copy(Path("/proc", str(pid), name), target / "proc/self" / name)
        mounts = Path("/proc", str(pid), "mountinfo").read_bytes().splitlines(keepends=True)
        cgroup_mounts = [line for line in mounts if b" - cgroup" in line]
        (target / "proc/self/mountinfo").write_bytes(b"".join(cgroup_mounts))
        _copy_cgroups(container, target)
    (target / "PROVENANCE").write_text(_provenance())
    return 0


@contextmanager
def _process_in(cgroup: TestCgroup, directory: Path) -> Iterator[int]:
    """A process that has used something, and now waits."""
    ready, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        cgroup.add(os.getpid())
        memory = bytearray(os.urandom(8 * MIB))
        with (directory / "scratch").open("wb") as file:
            file.write(memory[: 4 * MIB])
            os.fsync(file.fileno())
        end = time.process_time() + _BUSY_SECONDS
        while time.process_time() < end:
            os.listdir("/proc")
        os.write(ready_write, b"\n")
        while True:
            time.sleep(60)
    os.close(ready_write)
    os.read(ready, 1)
    os.close(ready)
    yield pid  # leaving the cgroup's own context ends it
    (directory / "scratch").unlink()


def _copy_cgroups(container: TestCgroup, target: Path) -> None:
    for hierarchy in hierarchies():
        if hierarchy.is_v2:
            name = hierarchy.mountpoint / "cgroup.controllers"
            _copy(name, target / name.relative_to("/"))
        path = Path(container.path)
        for cgroup in (path, *path.parents[:-1]):
            for pattern in _CGROUP_FILES:
                for file in (hierarchy.mountpoint / cgroup).glob(pattern):
                    _copy(file, target / file.relative_to("/"))


def _copy(source: Path, destination: Path) -> None:
    with suppress(OSError):  # not there, or not for reading
        text = source.read_bytes()
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_bytes(text)


def _provenance() -> str:
    versions = {"v2" if hierarchy.is_v2 else "v1" for hierarchy in hierarchies()}
    system = os.uname()
    return (
        f"kernel: {system.release} {system.machine}\n"
        f"cgroup: {' and '.join(sorted(versions))}\n"
        f"date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}\n"
        "by: python -m tests.capture\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
