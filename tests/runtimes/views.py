"""What has to be so in every container, whichever engine started it."""

import os
import signal
from pathlib import Path

from tests.runtimes.shell import Shell
from tests.support.daemon import Daemon

SAFE = {"nosuid", "nodev", "noexec"}


def check_views(container: Shell, daemon: Daemon, memory: int) -> None:
    """The tools show the container, and all of the files are there."""
    check_numbers(container, memory)
    check_mounts(container, daemon)


def check_numbers(container: Shell, memory: int) -> None:
    """The tools show the container: `memory` MiB, CPU 0, and an age of its own."""
    total = next(line for line in container.run("free -m").splitlines() if line.startswith("Mem:"))
    assert total.split()[1] == str(memory)
    assert container.run("nproc --all") == "1\n"
    assert container.run("cat /sys/devices/system/cpu/online") == "0\n"
    assert " up 0 min," in container.run("uptime")
    assert float(container.run("cat /proc/uptime").split()[0]) < 60


def check_mounts(container: Shell, daemon: Daemon) -> None:
    """Every served file is bound, pressure too, and as it should be."""
    expected = {f"/proc/{path.name}" for path in daemon.file("proc").iterdir()}
    expected.add("/sys/devices/system/cpu")
    mounts = container.mounts()

    assert set(mounts) == expected
    for path, options in mounts.items():
        assert options >= {"rw" if path == "/proc/pressure" else "ro", *SAFE}, path
    if "/proc/pressure" in expected:
        assert container.run("cat /proc/pressure/cpu").startswith("some avg10=")


def check_nothing_shown(container: Shell) -> None:
    """The container sees the host."""
    assert container.mounts() == {}
    host = Path("/proc/meminfo").read_text().split()[1]
    assert container.memory_total() == int(host)


def check_a_kill_goes_unnoticed(container: Shell, daemon: Daemon, memory: int) -> None:
    """Reads while the worker is killed, before another serves, and after."""
    worker = daemon.worker()
    # One loop in the container, so that reads are under way when the worker dies.
    container.run("mkfifo /tmp/go 2>/dev/null; true")
    container.run(
        "{ while [ ! -e /tmp/stop ]; do cat /proc/meminfo /proc/stat || echo FAILED; done;"
        " echo ended; } >/tmp/texts 2>&1 &"
    )
    os.kill(worker, signal.SIGKILL)
    total = container.memory_total()
    daemon.next_worker(worker)
    container.run(": >/tmp/stop; wait")
    texts = container.run("cat /tmp/texts")

    assert total == memory << 10
    assert texts.endswith("ended\n")
    assert texts.count(f"MemTotal:{total:>15} kB\n") == texts.count("MemTotal:") > 0
    assert "FAILED" not in texts
    assert "cat:" not in texts
