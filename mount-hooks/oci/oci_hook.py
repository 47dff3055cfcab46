#!/usr/bin/python3 -IS
"""OCI hook for the stage createRuntime: shows a container what the daemon serves.

    oci-hook MOUNTPOINT    where the daemon serves; the container's state comes on stdin

The runtime runs it in its own namespaces, when the container has its mounts and none of its
programs runs yet. (createContainer is in the container's: there memory is the container's own, and
6 MB are too few for Python; and crun cannot run it in a user namespace to which the bundle is
closed, as Podman's are.) So it takes new mounts of what is served along into the container's mount
namespace. What the container's root file system says is not trusted: targets are opened beneath its
root with no symbolic link on the way, and mounted over by descriptor.

Every fault of a hook stops the container, so this one leaves out what it cannot do, says why in
one line (stderr and syslog), ends in time, and exits 0 always.

It stands alone: nothing outside the standard library, and little of that, for each import makes
every container start later. Settings that name it should give it an environment ("env"): some
runtimes hand on the container's to some hooks, and with it LD_PRELOAD.
"""

import os
import sys

try:
    import _json  # of `json`, what is written in C: 10 ms less
    import ctypes
    import select

    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.syscall.restype = ctypes.c_long
except Exception as error:  # Debian's python3-minimal has no ctypes
    os.write(2, f"lxcfs-py: {error}\n".encode())
    os._exit(0)

_ANSWER_MAX = 5
"""Seconds. Whoever asks a daemon that hangs, waits; runtimes are told to wait 10 for us."""

_STATE_MAX = 1 << 20
_CONFIG_MAX = 16 << 20

_CPUS = "sys/devices/system/cpu"
# Triggers are written to pressure files.
_WRITABLE = ("proc/pressure",)

# System calls, the same on every architecture but alpha; Linux 5.12 has them all.
_OPEN_TREE = 428
_MOVE_MOUNT = 429
_OPENAT2 = 437
_MOUNT_SETATTR = 442

_OPEN_TREE_CLONE = 0x1
_MOVE_MOUNT_EMPTY_PATHS = 0x4 | 0x40
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000
_RESOLVE_NO_SYMLINKS = 0x04  # magic links neither
_RESOLVE_IN_ROOT = 0x10
_MOUNT_ATTR_RDONLY = 0x1
_MOUNT_ATTR_SAFE = 0x2 | 0x4 | 0x8  # nosuid, nodev, noexec
_MS_PRIVATE = 0x40000
_CLONE_NEWNS = 0x00020000
_FUSE_SUPER_MAGIC = 0x65735546


class _Json:
    """What `json` tells its scanner."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


class _Skipped(Exception):
    """Nothing, or nothing more, can be shown; the text says why."""


def show(served_path: str, container: "_Container") -> list[str]:
    """Bind all that is served over the container's files; returns why which were left out.

    All that the daemon is asked comes first: if it does not answer, nothing has been changed.
    """
    served = _open_served(served_path)
    device = os.fstat(served).st_dev
    complaints = []
    mounts = []
    for path in _paths(served_path):
        try:
            mounts.append((path, _new_mount(served, path)))
        except OSError as error:
            complaints.append(f"/{path}: {error.strerror}")
    root = container.enter()
    moves = []
    for path, mount in mounts:
        try:
            target = _open_beneath(root, path)
            if os.fstat(target).st_dev != device:  # nobody has shown it already
                moves.append((path, mount, target))
        except OSError as error:
            complaints.append(f"/{path}: {error.strerror}")
    for path, mount, target in moves:
        try:
            _syscall(_MOVE_MOUNT, mount, b"", target, b"", _MOVE_MOUNT_EMPTY_PATHS)
        except OSError as error:
            complaints.append(f"/{path}: {error.strerror}")
    return complaints


def _open_served(path: str) -> int:
    try:
        served = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        statfs = (ctypes.c_long * 64)()  # f_type comes first
        _checked(_libc.fstatfs(served, statfs))
    except OSError as error:
        raise _Skipped(f"{path}: {error.strerror}") from error
    # A wrong directory (say /) must not hide the container's processes.
    if statfs[0] != _FUSE_SUPER_MAGIC:
        raise _Skipped(f"{path}: no daemon serves here")
    return served


def _paths(served: str) -> list[str]:
    return [*(f"proc/{name}" for name in sorted(os.listdir(f"{served}/proc"))), _CPUS]


def _open_beneath(root: int, path: str) -> int:
    how = (ctypes.c_uint64 * 3)(
        os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_SYMLINKS
    )
    return _syscall(_OPENAT2, root, path.encode(), how, ctypes.sizeof(how))


def _new_mount(served: int, path: str) -> int:
    """A descriptor for a new mount, not yet attached anywhere."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_SYMLINK_NOFOLLOW
    mount = _syscall(_OPEN_TREE, served, path.encode(), flags)
    attributes = _MOUNT_ATTR_SAFE | (0 if path in _WRITABLE else _MOUNT_ATTR_RDONLY)
    values = (ctypes.c_uint64 * 4)(attributes, 0, _MS_PRIVATE, 0)
    _syscall(_MOUNT_SETATTR, mount, b"", _AT_EMPTY_PATH, values, ctypes.sizeof(values))
    return mount


def _syscall(number: int, *arguments: object) -> int:
    # A variadic function: ctypes would pass a Python int as 32 bits.
    words = (ctypes.c_long(word) if isinstance(word, int) else word for word in arguments)
    return _checked(_libc.syscall(ctypes.c_long(number), *words))


def _checked(result: int) -> int:
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


class _Container:
    """A container that is being made, by what the runtime says on descriptor `state`."""

    def __init__(self, state: int) -> None:
        try:
            said = _read_json(state, _STATE_MAX)
            bundle = _text(said, "bundle")
        except ValueError as error:
            raise _Skipped(f"the container's state on stdin: {error}") from error
        config = os.path.join(bundle, "config.json")
        try:
            file = os.open(config, os.O_RDONLY | os.O_CLOEXEC)
            path = _text(_read_json(file, _CONFIG_MAX), "root", "path")
        except OSError as error:
            raise _Skipped(f"{config}: {error.strerror}") from error
        except ValueError as error:
            raise _Skipped(f"{config}: {error}") from error
        self._root = os.path.join(bundle, path)
        if os.path.realpath(self._root) == "/":
            raise _Skipped("the container's root directory is the host's")
        process = f"/proc/{_value(said, 'pid')}/ns/mnt"
        try:
            self._namespace = os.open(process, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _Skipped(f"{process}: {error.strerror}") from error

    def enter(self) -> int:
        """Go to its mount namespace, where it has not changed its root yet; a descriptor for what
        will be its root."""
        if os.path.samestat(os.fstat(self._namespace), os.stat("/proc/self/ns/mnt")):
            raise _Skipped("the container sees the same mounts as its runtime")
        _checked(_libc.setns(self._namespace, _CLONE_NEWNS))
        try:
            return os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _Skipped(f"{self._root}: {error.strerror}") from error


def _read_json(file: int, limit: int) -> object:
    """A JSON text.

    Raises:
      ValueError: it is something else, or too long.
    """
    text = b""
    while piece := os.read(file, 1 << 16):
        text += piece
        if len(text) > limit:
            raise ValueError(f"more than {limit >> 20} MiB")
    try:
        scan = _json.make_scanner(_Json)  # type: ignore[arg-type]  # whatever has these names
        value: object
        value, _ = scan(text.decode().lstrip(), 0)
    except (ValueError, StopIteration, RecursionError, SystemError) as error:
        # SystemError: it would complain by json.decoder, and does not find that.
        raise ValueError("not JSON") from error
    return value


def _value(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: object, *keys: str) -> str:
    """The text that keys lead to.

    Raises:
      ValueError: there is none.
    """
    found = _value(value, *keys)
    if not isinstance(found, str):
        raise ValueError(f"no {'.'.join(keys)} in it")
    return found


def _work(served: str) -> str:
    """Do it all; returns what there is to complain of."""
    try:
        return "; ".join(show(served, _Container(0)))
    except (_Skipped, OSError) as error:
        return str(error)
    except Exception as error:  # the container must start
        return f"{type(error).__name__}: {error}"


def _in_time(served: str) -> str:
    """The same in a child: it may wait for a daemon that hangs, where even SIGKILL does not end
    it (fs/fuse/dev.c, request_wait_answer()); so it keeps nothing of ours open either."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(1)
            os.close(2)
            os.write(writing, b"." + _work(served).encode(errors="replace")[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    poll = select.poll()
    poll.register(reading)
    if not poll.poll(_ANSWER_MAX * 1000):
        os.kill(child, 9)
        return f"{served}: no answer within {_ANSWER_MAX} s"
    text = os.read(reading, 4096).decode(errors="replace")
    os.waitpid(child, 0)
    return text[1:] if text else f"{served}: killed before it was done"


def _say(text: str) -> None:
    """A line on stderr, which runtimes show if a hook fails, and one for the journal."""
    line = "lxcfs-py: " + " ".join(text.split())
    os.write(2, line.encode(errors="replace") + b"\n")
    import _socket  # `socket` would take another 5 ms

    log = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    log.setblocking(False)
    log.sendto(f"<28>{line}".encode(errors="replace"), "/dev/log")  # daemon.warning


def main() -> None:
    """The hook."""
    try:
        (served,) = sys.argv[1:]
        try:
            complaint = _in_time(served)
        except OSError as error:  # no process or no pipe to be had
            complaint = str(error)
        if complaint:
            _say(complaint)
    finally:
        os._exit(0)  # also when there is nobody to say it to


if __name__ == "__main__":
    main()
