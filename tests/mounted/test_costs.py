"""What a read costs, in counts: a noisy machine cannot change them.

Times are for ./run-benchmarks. Here: how many requests one open, read to the end and close takes,
and how many system calls the worker makes for them.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import benchmarks
from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon

_READS = 50
# Waiting for the next request, by a loop that looks before it sleeps: as often as time allows.
_WAITING = re.compile(r"(e?poll|clock|restart_syscall)|.* = -1 EAGAIN ")

# OPEN, GETATTR twice and IOCTL (Python asks for the size, and for a terminal), READ, READ
# (the end), RELEASE.
_REQUESTS = 7


def _read_to_the_end(path: str, times: int) -> None:
    for _ in range(times):
        Path(path).read_bytes()


def _worker_of(daemon: Daemon) -> int:
    """The process that answers: the last in the line of the daemon's children."""
    pid = daemon.process.pid
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[-1])
    return pid


def calls_per_read(daemon: Daemon, container: Container, path: str, log: Path) -> dict[str, float]:
    """The system calls of the worker for one open, read to the end and close."""
    container.read(path)  # from here on the cgroup's files are open
    strace = subprocess.Popen(
        ["strace", "-p", str(_worker_of(daemon)), "-o", str(log)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    with strace, strace.stderr as messages:
        assert "attached" in messages.readline()
        container.call(_read_to_the_end, path, _READS)
        strace.terminate()
    lines = [line for line in log.read_text().splitlines() if not _WAITING.match(line)]
    calls = Counter(line.split("(")[0] for line in lines if "(" in line)
    return {name: n / _READS for name, n in calls.items()}


@pytest.fixture(scope="module")
def forgetful(can_mount: None) -> Iterator[Daemon]:
    """A daemon that keeps nothing: then how busy a machine is changes no count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(benchmarks.__file__).parent / "uncached"))
        with running_daemon(label="costs") as daemon:
            yield daemon


# Counted on a hybrid host, where each controller has a cgroup of its own; and one more for what the
# sampler does meanwhile. A file that is opened for each read, or is read twice, does not fit.
MOST = {
    "/proc/meminfo": 30,
    "/proc/uptime": 26,
    "/proc/stat": 38,
    "/proc/loadavg": 31,
    "/proc/cpuinfo": 25,
    "/proc/swaps": 25,
    "/proc/diskstats": 25,
    "/proc/pressure/cpu": 20,
    "/sys/devices/system/cpu/online": 23,
}


@pytest.mark.parametrize("path", MOST)
def test_system_calls_per_read(forgetful: Daemon, path: str, tmp_path: Path) -> None:
    with own_container("costs", files=forgetful.mountpoint) as container:
        container.cgroup.limit_memory(64 << 20)

        calls = calls_per_read(forgetful, container, path, tmp_path / "strace")

    print(path, sum(calls.values()), calls)
    assert calls["readv"] <= _REQUESTS + 0.1
    assert sum(calls.values()) <= MOST[path], calls


def test_reads_leave_nothing_in_memory(daemon: Daemon, container: Container) -> None:
    paths = [path for path in MOST if path != "/proc/pressure/cpu"]
    for path in paths:
        container.call(_read_to_the_end, path, 100)
    before = _resident_kb(_worker_of(daemon))
    for path in paths:
        container.call(_read_to_the_end, path, 500)

    assert _resident_kb(_worker_of(daemon)) - before < 1024


def _resident_kb(pid: int) -> int:
    found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])
