"""One file of a plan: what it is and will be, shown as a difference, and changed in one step."""

import difflib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lxcfs_py.errors import CannotRun


class Step(NamedTuple):
    """A file before and after; None: there is none."""

    path: Path
    before: bytes | None
    after: bytes | None
    mode: int | None = None
    """Permissions to be set; None: those that it has, or 0644."""
    remove_up_to: Path | None = None
    """Directories that hold nothing more go with the file, up to this one."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        if self.after is None or self.before is None or self.before != self.after:
            return self.before != self.after
        return self.mode is not None and self.path.stat().st_mode & 0o7777 != self.mode

    def outcome(self) -> str:
        """What comes of it, in a word."""
        if not self.changes:
            return "already in place"
        return "removed" if self.after is None else "written"

    def difference(self) -> str:
        """As diff -u shows it."""
        name = str(self.path)
        lines = difflib.unified_diff(
            _lines(self.before),
            _lines(self.after),
            "/dev/null" if self.before is None else name,
            "/dev/null" if self.after is None else name,
        )
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )

    def take(self) -> None:
        """Change the file.

        Raises:
          CannotRun: it cannot be changed.
        """
        if not self.changes:
            return
        if self.after is None:
            _remove(self.path)
            if self.remove_up_to is not None:
                _remove_empty_parents(self.path, self.remove_up_to)
        else:
            _write(self.path, self.after, self.mode)


def read(path: Path) -> bytes | None:
    """What a file has in it; None if there is none.

    Raises:
      CannotRun: it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CannotRun(f"{path}: cannot be read ({error.strerror})") from error


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode(errors="replace").splitlines(keepends=True)


def _write(path: Path, content: bytes, mode: int | None) -> None:
    """Replace `path` at once: a container that starts meanwhile finds old or new, not half."""
    try:
        for directory in _missing_parents(path):
            directory.mkdir()
            directory.chmod(0o755)  # an unprivileged container's hook runs as somebody else
        old = path.stat() if path.exists() else None
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as temporary:
            try:
                temporary.write(content)
                temporary.flush()
                os.fsync(temporary.fileno())
                if mode is None and old is not None:
                    os.fchown(temporary.fileno(), old.st_uid, old.st_gid)
                    mode = old.st_mode & 0o7777
                os.fchmod(temporary.fileno(), 0o644 if mode is None else mode)
                os.replace(temporary.name, path)
            except BaseException:
                os.unlink(temporary.name)
                raise
    except OSError as error:
        raise CannotRun(
            f"{path}: cannot be written ({error.filename}: {error.strerror}); run as root"
        ) from error


def _missing_parents(path: Path) -> Iterator[Path]:
    """The directories above `path` that are not there yet, outermost first."""
    return (directory for directory in reversed(path.parents) if not directory.is_dir())


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise CannotRun(f"{path}: cannot be removed ({error.strerror}); run as root") from error


def _remove_empty_parents(path: Path, outermost: Path) -> None:
    for directory in path.parents:
        if not directory.is_relative_to(outermost) or any(directory.iterdir()):
            return
        directory.rmdir()
