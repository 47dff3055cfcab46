"""Our mount: where it may go, how it is made, how it is taken down. mount.fuse(8), fuse(4)."""

import errno
import logging
import os

from lxcfs_py.daemon.kept import number_of
from lxcfs_py.errors import CannotRun
from lxcfs_py.kernel.mountinfo import Mount, parse_mountinfo
from lxcfs_py.options import DEFAULT_MOUNTPOINT
from lxcfs_py.syscalls import MNT_DETACH, MS_NODEV, MS_NOEXEC, MS_NOSUID, mount, umount2

_log = logging.getLogger(__name__)

SOURCE = "lxcfs-py"
FSTYPE = "fuse.lxcfs"
"""The type that monitoring programs know to leave out."""


def source_of(mountpoint: str) -> str:
    """What is mounted at a mount point of ours, by name.

    Mounts of it keep the name wherever they are bound, and when its daemon is long gone: that
    tells which of several daemons' they are. Containers can read it: it says nothing of the host.
    """
    is_default = os.path.abspath(mountpoint) == DEFAULT_MOUNTPOINT
    return SOURCE if is_default else f"{SOURCE}@{number_of(mountpoint)}"


def is_served(mountpoint: str) -> bool:
    """Whether a daemon of ours, a live one, is mounted there."""
    found = mount_at(mountpoint)
    ours = found is not None and found.source.split("@")[0] == SOURCE
    return ours and not _is_dead(mountpoint)


def prepare(mountpoint: str) -> None:
    """Make sure that a file system can be mounted here.

    A dead mount (its daemon is gone) is taken down; the default mount point is made.

    Raises:
      CannotRun: there is no such directory, or something is mounted on it.
    """
    while _is_dead(mountpoint):
        _log.warning("%s: taking down a dead mount", mountpoint)
        umount2(mountpoint, MNT_DETACH)
    if mountpoint == DEFAULT_MOUNTPOINT:
        os.makedirs(mountpoint, exist_ok=True)
    if not os.path.isdir(mountpoint):
        raise CannotRun(f"{mountpoint}: no such directory: make it, or name another mount point")
    found = mount_at(mountpoint)
    if found is not None:
        raise CannotRun(
            f"{mountpoint}: {found.source} is mounted here already (type {found.fstype}): "
            "stop its daemon or unmount it, or name another mount point"
        )


def _is_dead(mountpoint: str) -> bool:
    try:
        os.statvfs(mountpoint)  # the kernel knows names and attributes of a dead one for an hour
    except OSError as error:
        # ECONNABORTED: its daemon has ended while we were asking.
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def mount_at(mountpoint: str) -> Mount | None:
    """What is mounted on a directory."""
    return _topmost(os.path.realpath(mountpoint))


def _topmost(path: str) -> Mount | None:
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = list(parse_mountinfo(file.read()))
    return next((mount for mount in reversed(mounts) if mount.mountpoint == path), None)


def mount_fuse(mountpoint: str, options: tuple[str, ...] = ()) -> int:
    """Mount a new FUSE connection and return its descriptor.

    Raises:
      CannotRun: the kernel refused; options that it does not know are the usual reason.
    """
    try:
        connection = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise CannotRun(f"/dev/fuse: {error.strerror}: load the kernel module fuse") from error
    data = f"fd={connection},rootmode=40555,user_id=0,group_id=0,allow_other"
    try:
        mount(
            source_of(mountpoint),
            mountpoint,
            FSTYPE,
            MS_NOSUID | MS_NODEV | MS_NOEXEC,
            ",".join((data, *options)),
        )
    except OSError as error:
        os.close(connection)
        given = f" with -o {','.join(options)}" if options else ""
        raise CannotRun(f"{mountpoint}: cannot mount{given}: {error.strerror}") from error
    return connection


def _without_asking(mountpoint: str) -> str:
    """The real path; what is mounted there is not looked at, for it may wait for us to serve it."""
    path = os.path.abspath(mountpoint)
    while True:
        parent, name = os.path.split(path)
        path = os.path.join(os.path.realpath(parent), name)
        if _topmost(path) or not os.path.islink(path):
            return path
        path = os.path.join(os.path.dirname(path), os.readlink(path))


class OurMount:
    """Our place, to be told from what others mount over it or in our stead.

    Made before we mount, because it asks of the directory what then only we could answer.
    """

    def __init__(self, mountpoint: str) -> None:
        self._path = _without_asking(mountpoint)
        self._device: str | None = None

    def made(self) -> None:
        """The mount is there now."""
        mount = _topmost(self._path)
        self._device = None if mount is None else mount.device

    def unmount(self) -> None:
        """Take it down; mounts of it in containers stay, and end with the connection."""
        found = _topmost(self._path)
        if found is None:
            return  # somebody did already
        if found.device != self._device:
            _log.warning("%s: %s is mounted over it: left alone", self._path, found.source)
            return
        try:
            umount2(self._path, MNT_DETACH)
        except OSError as error:
            _log.warning("%s: cannot unmount: %s", self._path, error.strerror)
