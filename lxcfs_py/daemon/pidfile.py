"""The pidfile: a lock that is held for life, and says whose."""

import fcntl
import os
import struct
from typing import Self

from lxcfs_py.errors import CannotRun

_FLOCK = struct.Struct("hhqqi")  # struct flock: type, whence, start, length, pid


def owner_of(path: str) -> int | None:
    """The process that holds a pidfile; None if nobody does. fcntl(2), F_GETLK."""
    try:
        with open(path, "rb") as file:
            question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, *_, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, question))
    except FileNotFoundError:
        return None
    return None if kind == fcntl.F_UNLCK else int(pid)


class Pidfile:
    """Ours, from `__enter__` to `__exit__`. A file that another daemon holds is left alone."""

    def __init__(self, path: str, inherited: int | None = None) -> None:
        """`inherited` is the descriptor by which we hold it already."""
        self._path = path
        self._file = -1 if inherited is None else inherited

    def __enter__(self) -> Self:
        if self._file < 0:
            self._take()
        return self

    def fileno(self) -> int:
        """The descriptor that holds it."""
        return self._file

    def _take(self) -> None:
        try:
            os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotRun(f"{self._path}: cannot write the pidfile: {error.strerror}") from error
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._file, 32, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise CannotRun(
                f"{self._path}: process {owner} serves already: stop it, or use another --pidfile"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def __exit__(self, *_: object) -> None:
        os.unlink(self._path)
        os.close(self._file)
