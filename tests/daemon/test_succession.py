"""The supervisor itself is replaced: by its next version, or by the next start of the service."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.container import own_container
from tests.support.daemon import running_daemon
from tests.support.proc import parse_uptime
from tests.support.readers import reading
from tests.support.service_manager import ServiceManager, service_manager
from tests.support.waiting import wait_until


def _set_version(installed: Path, version: str) -> None:
    (installed / "lxcfs_py/__init__.py").write_text(f'__version__ = "{version}"\n')


def _wait_for_line(line: str, log: Path) -> None:
    wait_until(lambda: line in log.read_text(), f"the log says: {line}")


def test_the_supervisor_becomes_the_next_version(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _set_version(installed, "1.0")
    with (
        running_daemon(label="exec", code=installed) as daemon,
        own_container("exec", files=daemon.mountpoint) as container,
        reading(container.pid, 8) as readers,
    ):
        for version in ("1.0.1", "1.0.22"):
            _set_version(installed, version)
            assert daemon.upgrade().returncode == 0
            worker = daemon.worker()
            _wait_for_line(f"the supervisor is version {version} now", daemon.log)

            assert daemon.worker() == worker
            assert daemon.status().supervisor == daemon.process.pid
            readers.all_go_on()
        status = Path(f"/proc/{daemon.process.pid}/status").read_text()
        (memory,) = re.findall(r"^VmRSS:\s+(\d+)", status, re.M)

        with capsys.disabled():
            print(f"\nsupervisor: {int(memory) / 1024:.1f} MiB")
        assert int(memory) < 25 << 10
        # It still holds the pidfile, and what it was told to take down it takes down.
        with pytest.raises(RuntimeError, match="serves already"):
            daemon.restarted().__enter__()
        assert daemon.stop() == 0


def test_a_supervisor_that_would_fail_is_not_taken(installed: Path) -> None:
    _set_version(installed, "1.0")
    with running_daemon(label="exec", code=installed) as daemon:
        _set_version(installed, "1.0.1")
        (installed / "lxcfs_py/daemon/command.py").write_text("import no_such_module\n")

        assert daemon.upgrade().stdout == "upgraded from 1.0 to 1.0.1\n"
        _wait_for_line("the supervisor stays at version 1.0: its successor fails", daemon.log)
        assert daemon.file("proc/uptime").read_text()


_A_SIGNAL_BEFORE_IT_LEAVES = """
import os, signal
from lxcfs_py.daemon.signals import Signals
from lxcfs_py.daemon.succession import Estate, leave

signals = Signals()
os.kill(os.getpid(), signal.SIGUSR1)
estate = Estate(connection=0, init="", mounted_at_ns=0, pidfile=0, host_text_only=False, version="",
                template=(0, 0), worker=(0, 0), keepsakes=(), upgrade={})
assert leave(estate, signals)
assert signals.take() == bytes([signal.SIGUSR1])
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
"""


def test_no_signal_is_lost_when_the_supervisor_is_replaced() -> None:
    """One that has come since it last looked: an upgrade that nobody would answer."""
    subprocess.run([sys.executable, "-c", _A_SIGNAL_BEFORE_IT_LEAVES], check=True, timeout=60)


@pytest.mark.parametrize("end", [ServiceManager.kill, ServiceManager.stop])
def test_a_restart_by_the_service_manager(
    can_mount: None, end: Callable[[ServiceManager], object]
) -> None:
    with service_manager() as manager:
        manager.start()
        with (
            own_container("restart", files=manager.mountpoint) as container,
            reading(container.pid, 8) as readers,
            ThreadPoolExecutor() as pool,
        ):
            reader = container.open("/proc/uptime")
            before = parse_uptime(os.read(reader, 100))
            for _ in range(3):
                end(manager)
                # Asked while nobody is there.
                answer = pool.submit(os.pread, reader, 100, 0)
                manager.start()
                after = parse_uptime(answer.result(20))

                assert all(new >= old for new, old in zip(after, before, strict=True))
                readers.all_go_on()
            os.close(reader)
        assert manager.log.read_text().count("taking over") == 3


def test_a_supervisor_that_hangs_is_found_and_replaced(can_mount: None) -> None:
    with service_manager() as manager:
        manager.start()
        for _ in range(2):
            assert manager.hears_that_it_lives()
        with own_container("hang", files=manager.mountpoint) as container:
            manager.interrupt(signal.SIGSTOP)
            manager.supervise()
            manager.kill()
            manager.start()

            assert parse_uptime(container.read("/proc/uptime")) > (0, 0)


def test_a_connection_that_has_ended_is_not_taken_over(can_mount: None) -> None:
    with service_manager() as manager:
        manager.start()
        subprocess.run(["umount", "--force", str(manager.mountpoint)], check=True)
        manager.stop()
        manager.start()

        assert (manager.mountpoint / "proc/uptime").read_text()
        assert "taking over" not in manager.log.read_text()
