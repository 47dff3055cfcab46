"""A user of a machine, who starts containers without being root."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runtimes.image import make_root
from tests.runtimes.inside import in_cgroup, init_of, shell_beside
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell
from tests.support.cgroups import TestCgroup
from tests.support.waiting import wait_until

_ID = 54321
_RUNTIME_DIR = "/run/somebody"  # Podman takes none that is longer than 50 characters
_SUBORDINATE = "200000:65536"
# What the kernel asks of whoever hands a cgroup over: cgroup-v2.rst, "Model of Delegation"; v1 has
# `tasks` as well.
_DELEGATED = (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "tasks")
_PODMAN = """
[engine]
hooks_dir = ["/usr/share/containers/oci/hooks.d"]
lock_type = "file"
num_locks = 8
"""
_LXC = """
lxc.include = /usr/share/lxc/config/common.conf.d/00-lxcfs-py.conf
lxc.uts.name = box
lxc.rootfs.path = dir:{root}
lxc.rootfs.options = ro
lxc.idmap = u 0 {ids}
lxc.idmap = g 0 {ids}
lxc.mount.auto = proc:mixed sys:mixed
lxc.autodev = 1
lxc.net.0.type = empty
lxc.init.cmd = /usr/bin/sleep infinity
"""


class User:
    """Whose programs are in a cgroup, as a login session's are."""

    def __init__(self, machine: Machine, session: TestCgroup) -> None:
        self._machine = machine
        self._session = session
        self._home = machine.directory / "home"
        self._add("passwd", f"somebody:x:{_ID}:{_ID}::{self._home}:/bin/sh")
        self._add("group", f"somebody:x:{_ID}:")
        for name in ("subuid", "subgid"):
            machine.file(f"/etc/{name}").write_text(f"somebody:{_SUBORDINATE}\n")
        self._home.mkdir(mode=0o711)
        self._root = make_root(self._home / "root")
        self._own(self._home)

    def own_session(self) -> None:
        """Have the session's cgroup delegated."""
        for directory in self._session.directories():
            for name in _DELEGATED:
                if (directory / name).exists():
                    os.chown(directory / name, _ID, _ID)

    @contextmanager
    def podman(self, runtime: str, *options: str) -> Iterator[Shell]:
        """A shell in a container of the user's Podman."""
        conf = self._home / ".config/containers/containers.conf"
        conf.parent.mkdir(parents=True, exist_ok=True)
        conf.write_text(_PODMAN)
        self._own(self._home)
        # The kernel shows no user an empty cgroup2, and crun takes no other on a hybrid machine.
        words = ("--cgroups=disabled",) if runtime == "crun" else ()
        command = self._command(
            *("podman", "--runtime", runtime, "--cgroup-manager=cgroupfs"),
            *("--events-backend=file", "run", "--rm", "-i", "--network=none", *words, *options),
            *("--rootfs", str(self._root), "sh"),
            without_v2=runtime == "crun",
        )
        with shell(command, self._machine.directory / "errors") as found:
            yield found

    @contextmanager
    def lxc(self, *settings: str) -> Iterator[Shell]:
        """A shell in a container that the user has started by lxc-start."""
        config = self._home / "lxc/box/config"
        config.parent.mkdir(parents=True)
        text = _LXC.format(root=self._root, ids=_SUBORDINATE.replace(":", " "))
        config.write_text("\n".join([text, *settings, ""]))
        self._own(self._home)
        log = self._home / "log"
        words = ("-P", str(self._home / "lxc"), "-n", "box", "-F", "-l", "INFO", "-o", str(log))
        process = subprocess.Popen(
            self._command("lxc-start", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            init = init_of(process, log)
            wait_until(lambda: _has_execed(init), "the container's program runs")
            with shell_beside(init, self._machine.directory / "errors") as found:
                yield found
            os.kill(init, signal.SIGKILL)
            process.wait(30)
        finally:
            process.kill()
            process.wait()

    def _command(self, *words: str, without_v2: bool = False) -> list[str]:
        as_user = ("setpriv", "--reuid", str(_ID), "--regid", str(_ID), "--init-groups")
        environment = ("--reset-env", "env", f"XDG_RUNTIME_DIR={_RUNTIME_DIR}")
        owned = ("install", "-d", "-o", str(_ID), "-m", "700", _RUNTIME_DIR)
        subprocess.run(self._machine.command(*owned), check=True)
        return [
            *in_cgroup(self._session),
            *self._machine.command(*as_user, *environment, *words, without_v2=without_v2),
        ]

    def _add(self, name: str, line: str) -> None:
        path = self._machine.file(f"/etc/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{Path('/etc', name).read_text()}{line}\n")

    def _own(self, directory: Path) -> None:
        subprocess.run(["chown", "-Rh", f"{_ID}:{_ID}", str(directory)], check=True)


def _has_execed(init: int) -> bool:
    return Path(f"/proc/{init}/comm").read_text() == "sleep\n"
