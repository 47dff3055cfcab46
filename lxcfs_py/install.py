"""`lxcfs-py install` and `uninstall`: puts a container runtime's hooks and settings in place.

The files are those of mount-hooks/, copied to fixed places: a configuration names its hook by an
absolute path, and a hook must stay when a virtual environment goes.
"""

import argparse
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lxcfs_py.errors import CannotRun
from lxcfs_py.options import DEFAULT_MOUNTPOINT

_SHARE = "usr/share/lxcfs-py"
_LXC_DROP_INS = "usr/share/lxc/config/common.conf.d"


class _File(NamedTuple):
    source: str
    """Below mount-hooks/."""
    target: str
    """Below the root directory."""
    mode: int


class _Runtime(NamedTuple):
    needs: str
    """The directory that shows that the runtime is there."""
    rival: str
    """Another product's file that does the same work."""
    files: tuple[_File, ...]
    """A hook before the setting that names it: no container meets the one without the other."""


_RUNTIMES = {
    "lxc": _Runtime(
        needs=_LXC_DROP_INS,
        rival=f"{_LXC_DROP_INS}/00-lxcfs.conf",
        files=(
            _File("lxc/mount.hook", f"{_SHARE}/lxc/mount.hook", 0o755),
            _File("lxc/reboot.hook", f"{_SHARE}/lxc/reboot.hook", 0o755),
            _File("lxc/00-lxcfs-py.conf", f"{_LXC_DROP_INS}/00-lxcfs-py.conf", 0o644),
        ),
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of both commands."""
    parser.add_argument("runtime", choices=sorted(_RUNTIMES))
    parser.add_argument(
        "--mountpoint",
        type=_mountpoint,
        default=DEFAULT_MOUNTPOINT,
        metavar="DIR",
        help="where the daemon serves (default: %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="work below this directory (for packages and root file systems)",
    )


def install(arguments: argparse.Namespace) -> int:
    """Write the runtime's files, where they are not already as they should be."""
    root: Path = arguments.root
    runtime = _RUNTIMES[arguments.runtime]
    _check_host(arguments.runtime, runtime, root)
    for file in runtime.files:
        path = root / file.target
        content = _content(file, arguments.mountpoint)
        if _is_in_place(path, content, file.mode):
            print(f"{path}: already in place")
            continue
        if not arguments.dry_run:
            _write(path, content, file.mode)
        print(f"{path}: {'would be written' if arguments.dry_run else 'written'}")
    return 0


def uninstall(arguments: argparse.Namespace) -> int:
    """Remove the runtime's files, and the directories that only held them."""
    root: Path = arguments.root
    for file in reversed(_RUNTIMES[arguments.runtime].files):
        path = root / file.target
        if not os.path.lexists(path):
            continue
        if not arguments.dry_run:
            _remove(path)
            _remove_empty_parents(path, root / _SHARE)
        print(f"{path}: {'would be removed' if arguments.dry_run else 'removed'}")
    return 0


def _mountpoint(text: str) -> str:
    """An absolute path that no shell, LXC or JSON file needs quotes for."""
    if not re.fullmatch(r"(/[\w.+@:-]+)+", text, re.ASCII):
        raise argparse.ArgumentTypeError(
            f"{text}: not an absolute path of letters, digits and . _ + @ : -"
        )
    return text


def _check_host(name: str, runtime: _Runtime, root: Path) -> None:
    rival = root / runtime.rival
    if rival.exists():
        raise CannotRun(
            f"{rival}: another hook binds over the same files, and would hide these; remove its"
            f" package, or divert the file (dpkg-divert --rename --add {rival})"
        )
    # A package's or an image's tree is still being put together.
    if root == Path("/") and not (root / runtime.needs).is_dir():
        raise CannotRun(f"{root / runtime.needs}: no such directory; install {name} first")


def _content(file: _File, mountpoint: str) -> bytes:
    """The file with the daemon's mount point filled in; nothing else differs between machines."""
    content = (_hooks_directory() / file.source).read_bytes()
    return content.replace(DEFAULT_MOUNTPOINT.encode(), mountpoint.encode())


def _hooks_directory() -> Path:
    """Where the files come from: the package's data, or the checkout that the package lies in."""
    here = Path(__file__).parent
    packaged = here / "mount_hooks"
    return packaged if packaged.is_dir() else here.parent / "mount-hooks"


def _is_in_place(path: Path, content: bytes, mode: int) -> bool:
    try:
        return path.read_bytes() == content and path.stat().st_mode & 0o7777 == mode
    except OSError:
        return False


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace `path` in one step: a container that starts meanwhile finds old or new, not half."""
    try:
        for directory in _missing_parents(path):
            directory.mkdir()
            directory.chmod(0o755)  # an unprivileged container's hook runs as somebody else
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as temporary:
            try:
                temporary.write(content)
                temporary.flush()
                os.fchmod(temporary.fileno(), mode)
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
    """Remove the directories that hold nothing more, from above `path` up to `outermost`."""
    for directory in path.parents:
        if not directory.is_relative_to(outermost) or any(directory.iterdir()):
            return
        directory.rmdir()
