"""ps, explain and check on one LXC container, by its name."""

import json
import subprocess

from tests.lxc.containers import Container
from tests.support.commands import lxcfs_py
from tests.support.daemon import Daemon


def test_a_container_by_its_name(privileged: Container, daemon: Daemon) -> None:
    name, pid = privileged.name, int(privileged.init_pid())
    privileged.run("cat", "/proc/uptime")

    _is_listed(daemon, name, pid)
    _is_explained(daemon, name, pid)
    _is_checked(daemon, name, pid)


def _is_listed(daemon: Daemon, name: str, pid: int) -> None:
    listed = json.loads(lxcfs_py(daemon, "ps", "--json").stdout)
    (one,) = (one for one in listed if one["name"] == name)
    assert one["runtime"] == "lxc"
    assert one["pid"] == pid
    assert one["memory_max"] == 512 << 20
    assert one["cpus"] == 1 or one["cpus_shown"] == 1


def _is_explained(daemon: Daemon, name: str, pid: int) -> None:
    done = lxcfs_py(daemon, "explain", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"/proc/meminfo of {name} (process {pid}), " in done.stdout
    assert "min(host.MemTotal, memory.max)" in done.stdout
    limits = [line for line in done.stdout.splitlines() if line.startswith("memory.max ")]
    limit = limits[0]
    assert f"/lxc.payload.{name}/memory." in limit
    assert str(512 << 20) in limit


def _is_checked(daemon: Daemon, name: str, pid: int) -> None:
    sound = lxcfs_py(daemon, "check", f"lxc:{name}")
    assert (sound.returncode, sound.stderr) == (0, ""), sound.stdout
    assert sound.stdout.startswith(f"{name} (process {pid})\n  ok      every file is bound: ")

    inside = ["nsenter", "-t", str(pid), "-m", "-p", "umount", "/proc/meminfo"]
    subprocess.run(inside, check=True)
    faulty = lxcfs_py(daemon, "check", name)
    assert faulty.returncode == 1
    assert f"/proc/meminfo: not bound (lxcfs-py attach {pid})" in faulty.stdout
