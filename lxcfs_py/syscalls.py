"""System calls that Python 3.11 does not offer, under their own names.

Every failure is an OSError that names the call and what it was about. Constants are the kernel's
(include/uapi/linux/{mount,sched,fs,nsfs}.h).
"""

import ctypes
import fcntl
import os
import struct

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000

MNT_DETACH = 0x2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8


CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

PER_LINUX32 = 0x0008
PER_MASK = 0x00FF

PR_SET_PDEATHSIG = 1

_NSIO = 0xB7
# Since Linux kernel commit ca567df74a28 ("nsfs: add pid translation ioctls") (v6.11).
NS_GET_PID_FROM_PIDNS = (2 << 30) | (4 << 16) | (_NSIO << 8) | 6
NS_GET_TGID_FROM_PIDNS = (2 << 30) | (4 << 16) | (_NSIO << 8) | 7
NS_GET_PID_IN_PIDNS = (2 << 30) | (4 << 16) | (_NSIO << 8) | 8

# Since Linux kernel commit a7306ed8d94a ("nsfs: add ioctl to get a parent namespace") (v4.9).
NS_GET_PARENT = (_NSIO << 8) | 2
# Numbers that are the same on every architecture but alpha: scripts/syscall.tbl.
_OPEN_TREE = 428
_MOVE_MOUNT = 429
_MOUNT_SETATTR = 442
_OPEN_TREE_CLONE = 0x1
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, about: str | None, *arguments: object) -> int:
    return _checked(getattr(_libc, name)(*arguments), name, about)


def _checked(result: int, name: str, about: str | None) -> int:
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}", about)
    return result


def _c_string(value: str | None) -> ctypes.c_char_p:
    return ctypes.c_char_p(None if value is None else os.fsencode(value))


def mount(
    source: str | None, target: str, fstype: str | None = None, flags: int = 0, data: str = ""
) -> None:
    """mount(2)."""
    _call(
        "mount",
        target,
        _c_string(source),
        _c_string(target),
        _c_string(fstype),
        ctypes.c_ulong(flags),
        _c_string(data or None),
    )


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _call("umount2", target, _c_string(target), ctypes.c_int(flags))


def _syscall(name: str, about: str | None, number: int, *arguments: int | bytes) -> int:
    words = (
        ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.c_long(argument)
        for argument in arguments
    )
    return _checked(_libc.syscall(ctypes.c_long(number), *words), name, about)


def open_tree_clone(path: str) -> int:
    """open_tree(2), OPEN_TREE_CLONE (Linux 5.2): a new bind mount of a path, not yet attached.

    It goes when its descriptor is closed, unless `move_mount` has put it somewhere.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_SYMLINK_NOFOLLOW
    return _syscall("open_tree", path, _OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)


def mount_setattr(mount: int, attributes: int, propagation: int) -> None:
    """mount_setattr(2) (Linux 5.12): attributes to be set on the mount behind a descriptor."""
    values = struct.pack("=QQQQ", attributes, 0, propagation, 0)
    arguments = (mount, b"", _AT_EMPTY_PATH, values, len(values))
    _syscall("mount_setattr", None, _MOUNT_SETATTR, *arguments)


def move_mount(mount: int, target: int) -> None:
    """move_mount(2) (Linux 5.2): attach a mount over what a descriptor stands for."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _syscall("move_mount", None, _MOVE_MOUNT, mount, b"", target, b"", flags)


def unshare(flags: int) -> None:
    """unshare(2)."""
    _call("unshare", None, ctypes.c_int(flags))


def setns(fd: int, nstype: int = 0) -> None:
    """setns(2)."""
    _call("setns", None, ctypes.c_int(fd), ctypes.c_int(nstype))


def prctl(option: int, argument: int) -> None:
    """prctl(2) with one number."""
    _call("prctl", None, ctypes.c_int(option), ctypes.c_ulong(argument), 0, 0, 0)


def personality(persona: int) -> int:
    """personality(2); returns the one before."""
    return _call("personality", None, ctypes.c_ulong(persona))


def ns_get_tgid_from_pidns(pid_namespace: int, pid: int) -> int:
    """Our own number for the process that is `pid` in the pid namespace behind a descriptor.

    Raises:
      OSError: ENOTTY where the kernel has no such ioctl (before 6.11), ESRCH if there is no such
        process or it cannot be seen from our namespace.
    """
    return fcntl.ioctl(pid_namespace, NS_GET_TGID_FROM_PIDNS, pid)


def ns_get_pid_in_pidns(pid_namespace: int, thread: int) -> int:
    """The number that our thread has in the pid namespace behind a descriptor.

    Raises: as ns_get_tgid_from_pidns().
    """
    return fcntl.ioctl(pid_namespace, NS_GET_PID_IN_PIDNS, thread)


def ns_get_pid_from_pidns(pid_namespace: int, thread: int) -> int:
    """Our own number for the thread that is `thread` in the pid namespace behind a descriptor.

    Raises: as ns_get_tgid_from_pidns().
    """
    return fcntl.ioctl(pid_namespace, NS_GET_PID_FROM_PIDNS, thread)


def ns_get_parent(namespace: int) -> int:
    """A descriptor of the parent of the pid namespace behind a descriptor; the caller closes it.

    Raises:
      OSError: EPERM, the parent is outside of our own namespace.
    """
    descriptor = fcntl.ioctl(namespace, NS_GET_PARENT)
    os.set_inheritable(descriptor, False)
    return descriptor


# struct file_handle with a kernfs id: size and type of what follows, and the id.
_FILE_HANDLE = struct.Struct("=IiQ")
_FILEID_KERNFS = 0xFE  # include/linux/exportfs.h
_open_by_handle_at = _libc.open_by_handle_at
_open_by_handle_at.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int)


def open_kernfs_directory(mount: int, number: int) -> int:
    """open_by_handle_at(2) of a directory of sysfs or cgroupfs by its inode number; the caller
    closes it.

    Since Linux kernel commit aa8188253474 ("kernfs: add exportfs operations") (v4.14).

    Args:
      mount: any descriptor of the file system.

    Raises:
      OSError: ESTALE, there is none of this number any more; ENOTDIR, it is a file; EPERM without
        CAP_DAC_READ_SEARCH.
    """
    handle = _FILE_HANDLE.pack(8, _FILEID_KERNFS, number)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor: int = _open_by_handle_at(mount, handle, flags)
    if descriptor == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"open_by_handle_at: {os.strerror(error)}", str(number))
    return descriptor


_FUSE_OUT_HEADER = struct.Struct("=IiQ")
_FUSE_NOTIFY_RESEND = 7


def fuse_notify_resend(connection: int) -> None:
    """Ask the kernel to deliver again every request that was read but not answered.

    Since Linux kernel commit 760eac73f9f6 ("fuse: Introduce a new notification type for resend
    pending requests") (v6.9); before it the kernel answers EINVAL.
    """
    os.write(connection, _FUSE_OUT_HEADER.pack(_FUSE_OUT_HEADER.size, _FUSE_NOTIFY_RESEND, 0))
