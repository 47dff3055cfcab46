"""The installed service, as systemd and its own tools tell of it."""

import re
import subprocess
from pathlib import Path

from lxcfs_py.daemon.status import Status
from tests.support.waiting import PATIENCE

UNIT = "lxcfs-py.service"
MOUNTPOINT = Path("/var/lib/lxcfs")


def run(*command: str) -> str:
    """The output of a program that succeeds."""
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 * PATIENCE
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Service:
    """lxcfs-py.service."""

    def show(self, name: str) -> str:
        """A property of the unit."""
        return run("systemctl", "show", "--value", "-p", name, UNIT).strip()

    def main_pid(self) -> int:
        return int(self.show("MainPID"))

    def status(self) -> Status:
        """What the supervisor says of itself."""
        (path,) = Path("/run/lxcfs-py").glob("status-????????")
        return Status.read(str(path))

    def worker(self) -> int:
        return self.status().worker

    def processes(self) -> list[int]:
        """All of the unit."""
        tree = run("systemctl", "show", "--value", "-p", "ControlGroup", UNIT).strip()
        roots = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd")]
        (listed,) = (
            root / tree[1:] / "cgroup.procs"
            for root in roots
            if (root / tree[1:] / "cgroup.procs").exists()
        )
        return [int(pid) for pid in listed.read_text().split()]


def field(pid: int, name: str) -> str:
    """A line of /proc/PID/status."""
    (value,) = re.findall(rf"^{name}:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return str(value)
