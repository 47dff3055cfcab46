"""`lxcfs-py upgrade`: from what to what, and what goes on when the new code is broken."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import lxcfs_py
from tests.support.daemon import Daemon, running_daemon

_PACKAGE = Path(lxcfs_py.__file__).parent


@dataclass(frozen=True)
class Installed:
    """A daemon, and the code that it runs, which a test may change."""

    daemon: Daemon
    package: Path

    def set_version(self, version: str) -> None:  # of another length: bytecode is kept by size
        """As a package manager would: the files are replaced while the daemon runs."""
        (self.package / "__init__.py").write_text(f'__version__ = "{version}"\n')

    def upgrade(self) -> subprocess.CompletedProcess[str]:
        return _upgrade(self.daemon.mountpoint.parent)


def _upgrade(directory: Path) -> subprocess.CompletedProcess[str]:
    command = ("-m", "lxcfs_py", "upgrade", "--runtime-dir", str(directory))
    pidfile = ("--pidfile", f"{directory}/pid")
    return subprocess.run(
        [sys.executable, *command, *pidfile], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def installed(can_mount: None, tmp_path: Path) -> Iterator[Installed]:
    """A daemon from a copy of the package, version 1.0."""
    package = tmp_path / "lxcfs_py"
    shutil.copytree(_PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text('__version__ = "1.0"\n')
    with running_daemon(label="upgrade", code=tmp_path) as daemon:
        yield Installed(daemon, package)


def test_the_version_that_is_installed_now_serves(installed: Installed) -> None:
    worker = installed.daemon.worker()
    installed.set_version("1.0.1")

    done = installed.upgrade()

    assert (done.stdout, done.stderr) == ("upgraded from 1.0 to 1.0.1\n", "")
    assert done.returncode == 0
    assert installed.daemon.worker() != worker
    assert installed.daemon.file("proc/meminfo").read_text().startswith("MemTotal:")


def test_the_same_version_again(installed: Installed) -> None:
    assert installed.upgrade().stdout == "upgraded from 1.0 to 1.0 (the same)\n"


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
    installed: Installed, module: str, text: str, why: str
) -> None:
    worker = installed.daemon.worker()
    reader = os.open(installed.daemon.file("proc/uptime"), os.O_RDONLY)
    (installed.package / module).write_text(text)

    done = installed.upgrade()

    assert done.returncode == 1
    assert done.stderr.startswith(f"lxcfs-py: not upgraded, 1.0 goes on: {why}")
    assert done.stdout == ""
    assert installed.daemon.worker() == worker
    assert os.pread(reader, 100, 0)
    os.close(reader)


def test_a_version_whose_worker_cannot_serve_changes_nothing(installed: Installed) -> None:
    worker = installed.daemon.worker()
    path = installed.package / "daemon/worker.py"
    path.write_text(path.read_text() + "\n\ndef work(*_): raise RuntimeError('not today')\n")

    done = installed.upgrade()

    assert done.returncode == 1
    assert done.stderr == "lxcfs-py: not upgraded, 1.0 goes on: its worker ended\n"
    assert installed.daemon.worker() == worker


def test_after_a_failure_a_good_version_is_taken(installed: Installed) -> None:
    path = installed.package / "files/meminfo.py"
    good = path.read_text()
    path.write_text("def\n")
    assert installed.upgrade().returncode == 1
    path.write_text(good)
    installed.set_version("1.0.2")

    assert installed.upgrade().stdout == "upgraded from 1.0 to 1.0.2\n"


def test_no_daemon(tmp_path: Path) -> None:
    done = _upgrade(tmp_path)

    assert done.returncode == 1
    assert done.stderr.endswith(
        "/pid: no lxcfs-py runs with this pidfile: say which with --pidfile\n"
    )


def test_a_stale_pidfile_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")

    assert _upgrade(tmp_path).returncode == 1
