"""`lxcfs-py upgrade`: from what to what, and what goes on when the new code is broken."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, running_daemon


@dataclass(frozen=True)
class Installed:
    """A daemon, and the code that it runs, which a test may change."""

    daemon: Daemon
    package: Path

    def set_version(self, version: str) -> None:  # of another length: bytecode is kept by size
        """As a package manager would: the files are replaced while the daemon runs."""
        (self.package / "__init__.py").write_text(f'__version__ = "{version}"\n')


def _upgrade(directory: Path) -> subprocess.CompletedProcess[str]:
    command = ("-m", "lxcfs_py", "upgrade", "--runtime-dir", str(directory))
    pidfile = ("--pidfile", f"{directory}/pid")
    return subprocess.run(
        [sys.executable, *command, *pidfile], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def running(installed: Path) -> Iterator[Installed]:
    """A daemon from a copy of the package, version 1.0."""
    (installed / "lxcfs_py/__init__.py").write_text('__version__ = "1.0"\n')
    with running_daemon(label="upgrade", code=installed) as daemon:
        yield Installed(daemon, installed / "lxcfs_py")


def test_the_version_that_is_installed_now_serves(running: Installed) -> None:
    worker = running.daemon.worker()
    running.set_version("1.0.1")

    done = running.daemon.upgrade()

    assert (done.stdout, done.stderr) == ("upgraded from 1.0 to 1.0.1\n", "")
    assert done.returncode == 0
    assert running.daemon.worker() != worker
    assert running.daemon.file("proc/meminfo").read_text().startswith("MemTotal:")


def test_the_same_version_again(running: Installed) -> None:
    assert running.daemon.upgrade().stdout == "upgraded from 1.0 to 1.0 (the same)\n"


@pytest.mark.parametrize(
    ("module", "text", "why"),
    [
        ("files/meminfo.py", "def render(:\n", "SyntaxError: "),
        ("daemon/template.py", "import no_such_module\n", "ModuleNotFoundError: "),
        ("daemon/load.py", "def (\n", "it cannot be started: see the log"),
        ("daemon/worker.py", "class Prepared: pass\ndef work(): pass\n", "TypeError: "),
    ],
)
def test_a_broken_version_changes_nothing_and_says_why(
    running: Installed, module: str, text: str, why: str
) -> None:
    worker = running.daemon.worker()
    reader = os.open(running.daemon.file("proc/uptime"), os.O_RDONLY)
    (running.package / module).write_text(text)

    done = running.daemon.upgrade()

    assert done.returncode == 1
    assert done.stderr.startswith(f"lxcfs-py: not upgraded, 1.0 goes on: {why}")
    assert done.stdout == ""
    assert running.daemon.worker() == worker
    assert os.pread(reader, 100, 0)
    os.close(reader)


def test_a_version_whose_worker_cannot_serve_changes_nothing(running: Installed) -> None:
    worker = running.daemon.worker()
    path = running.package / "daemon/worker.py"
    path.write_text(path.read_text() + "\n\ndef work(*_): raise RuntimeError('not today')\n")

    done = running.daemon.upgrade()

    assert done.returncode == 1
    assert done.stderr == "lxcfs-py: not upgraded, 1.0 goes on: its worker ended\n"
    assert running.daemon.worker() == worker


def test_after_a_failure_a_good_version_is_taken(running: Installed) -> None:
    path = running.package / "files/meminfo.py"
    good = path.read_text()
    path.write_text("def\n")
    assert running.daemon.upgrade().returncode == 1
    path.write_text(good)
    running.set_version("1.0.2")

    assert running.daemon.upgrade().stdout == "upgraded from 1.0 to 1.0.2\n"


def test_no_daemon(tmp_path: Path) -> None:
    done = _upgrade(tmp_path)

    assert done.returncode == 1
    assert done.stderr.endswith(
        "/pid: no lxcfs-py runs with this pidfile: say which with --pidfile\n"
    )


def test_a_stale_pidfile_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")

    assert _upgrade(tmp_path).returncode == 1
