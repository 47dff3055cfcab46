"""A directory for one test's containers: an installed hook, configurations, writable layers."""

import itertools
from dataclasses import replace
from pathlib import Path

from lxcfs_py.cli import main
from tests.lxc.containers import Container, limits

_DROP_IN = "usr/share/lxc/config/common.conf.d/00-lxcfs-py.conf"

_IDS = "100000 65536"
# lxc-start maps ids by newuidmap, which wants a line for root in files that are not ours to edit.
_WITH_SUBORDINATE_IDS = (
    "unshare",
    "--mount",
    "sh",
    "-ec",
    'mount --bind "$0" /etc/subuid; mount --bind "$0" /etc/subgid; exec "$@"',
)

_NESTING = (
    "lxc.mount.auto =",  # empties the list
    "lxc.mount.auto = proc:rw sys:rw cgroup:rw:force",
    "lxc.init.cmd = /outer-init",
)
# What an init system does, too: on v2 a cgroup with processes cannot pass its controllers on.
_OUTER_INIT = """#!/bin/sh -e
cd /sys/fs/cgroup
if [ -e cgroup.controllers ]; then
    mkdir init.scope
    echo 1 > init.scope/cgroup.procs
    for controller in $(cat cgroup.controllers); do
        echo "+$controller" > cgroup.subtree_control
    done
fi
touch /ready
exec sleep infinity
"""

_SYSTEMD = (
    "lxc.init.cmd = /sbin/init",
    "lxc.mount.auto =",  # empties the list
    "lxc.mount.auto = proc:mixed sys:rw",
    "lxc.signal.halt = SIGRTMIN+4",
)
# The root file system is read-only.
_WRITABLE = tuple(
    f"lxc.mount.entry = tmpfs {name} tmpfs mode=755,size=64m 0 0" for name in ("tmp", "var", "home")
)


class Place:
    """A directory for one test's containers, and an installed hook in it."""

    def __init__(self, directory: Path, rootfs: Path) -> None:
        self.directory = directory
        self.rootfs = rootfs
        self._numbers = itertools.count()

    def container(self, mountpoint: Path, *settings: str, memory: str = "512M") -> Container:
        """A privileged container, whose root file system the test may change."""
        name = self._new_name()
        upper = self.upper(name)
        upper.mkdir(parents=True)
        rootfs = f"lxc.rootfs.path = overlay:{self.rootfs}:{upper}"
        self._configure(name, mountpoint, rootfs, limits(memory=memory, cpus="0"), *settings)
        return Container(name, self.directory)

    def unprivileged(self, mountpoint: Path, *settings: str, memory: str = "256M") -> Container:
        """A container in a user namespace."""
        name = self._new_name()
        ids = self.directory / "subordinate-ids"
        ids.write_text(f"root:{_IDS.replace(' ', ':')}\n")
        self._configure(
            name,
            mountpoint,
            f"lxc.rootfs.path = dir:{self.rootfs}",
            "lxc.rootfs.options = idmap=container,ro",  # as if all of it were chowned
            f"lxc.idmap = u 0 {_IDS}",
            f"lxc.idmap = g 0 {_IDS}",
            limits(memory=memory, cpus="0"),
            *settings,
        )
        return Container(name, self.directory, start_in=(*_WITH_SUBORDINATE_IDS, str(ids)))

    def outer(self, mountpoint: Path, memory: str = "512M") -> Container:
        """A privileged container that others can be in."""
        container = self.container(mountpoint, *_NESTING, self._mount_of_rootfs(), memory=memory)
        upper = self.upper(container.name)
        (upper / "outer-init").write_text(_OUTER_INIT)
        (upper / "outer-init").chmod(0o755)
        # The hook binds the mount root where the container has its directory.
        (upper / str(mountpoint).lstrip("/")).mkdir(parents=True)
        # Debian's own configuration in there includes the drop-in.
        main(["install", "lxc", "--root", str(upper), "--mountpoint", str(mountpoint)])
        return replace(container, ready=upper / "ready")

    def nested(self, outer: Container, *settings: str, memory: str = "256M") -> Container:
        """A container in `outer`, to be made before that one starts."""
        directory = self.upper(outer.name) / "var/lib/lxc/inner"
        directory.mkdir(parents=True)
        common = "lxc.include = /usr/share/lxc/config/common.conf"
        rootfs = "lxc.rootfs.path = dir:/mnt"
        lines = (common, rootfs, *_settings("inner"), limits(memory=memory, cpus="0"), *settings)
        (directory / "config").write_text("\n".join(lines))
        return Container("inner", Path("/var/lib/lxc"), outer=outer)

    def systemd(self, mountpoint: Path, *settings: str) -> Container:
        """A privileged container with systemd as init and a cgroup namespace."""
        return self.container(mountpoint, *_SYSTEMD, *settings)

    def systemd_unprivileged(self, mountpoint: Path, *settings: str) -> Container:
        """One in a user namespace and a cgroup namespace."""
        return self.unprivileged(mountpoint, *_SYSTEMD, *_WRITABLE, *settings, memory="512M")

    def systemd_without_cgroup_namespace(self, mountpoint: Path, *settings: str) -> Container:
        """One in a user namespace, without a cgroup namespace."""
        keep = "lxc.namespace.keep = cgroup"
        return self.systemd_unprivileged(mountpoint, keep, *settings)

    def systemd_privileged_without_cgroup_namespace(
        self, mountpoint: Path, *settings: str
    ) -> Container:
        """One that is root. It mounts the controllers that the host does not use, for all of the
        machine: see `unused_controllers()`."""
        # Whoever keeps one namespace is given a user namespace if it is not named.
        keep = "lxc.namespace.keep = cgroup user"
        return self.systemd(mountpoint, keep, *settings)

    def systemd_outer(self, mountpoint: Path) -> Container:
        """A privileged one, in which others can be."""
        nesting = "lxc.mount.auto = cgroup:rw:force"
        container = self.systemd(mountpoint, nesting, self._mount_of_rootfs())
        upper = self.upper(container.name)
        (upper / str(mountpoint).lstrip("/")).mkdir(parents=True)
        main(["install", "lxc", "--root", str(upper), "--mountpoint", str(mountpoint)])
        return container

    def systemd_nested(self, outer: Container) -> Container:
        """One with systemd as init in `outer`, to be made before that one starts."""
        return self.nested(outer, *_SYSTEMD, *_WRITABLE)

    def _mount_of_rootfs(self) -> str:
        return f"lxc.mount.entry = {self.rootfs} mnt none bind,ro 0 0"

    def upper(self, name: str) -> Path:
        """What the container sees instead of the same path of the root file system."""
        return self.directory / f"{name}.upper"

    def _new_name(self) -> str:
        return f"{self.directory.name}-{next(self._numbers)}"

    def _configure(self, name: str, mountpoint: Path, *lines: str) -> None:
        """Write the configuration; the hook is an installed one, and anybody can reach it."""
        installed = self.directory / "installed"
        main(["install", "lxc", "--root", str(installed), "--mountpoint", str(mountpoint)])
        drop_in = (installed / _DROP_IN).read_text().replace(" /usr/", f" {installed}/usr/")
        (self.directory / name).mkdir()
        text = "\n".join((*_settings(name), drop_in, *lines))
        (self.directory / name / "config").write_text(text)


def _settings(name: str) -> tuple[str, ...]:
    return (
        f"lxc.uts.name = {name}",
        "lxc.apparmor.profile = unconfined",
        "lxc.net.0.type = empty",
        "lxc.mount.auto = proc:mixed sys:mixed",
        "lxc.init.cmd = /usr/bin/sleep infinity",  # lxc-attach starts what a test wants to see
        "lxc.console.path = none",
        "lxc.tty.max = 0",
        "lxc.pty.max = 64",
    )
