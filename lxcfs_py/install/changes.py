"""What a runtime needs on a machine: files of ours, and settings in files that others have too."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lxcfs_py.options import DEFAULT_MOUNTPOINT

Json = str | bool | Mapping[str, "Json"] | Sequence["Json"]

PROGRAMS = "/usr/libexec/lxcfs-py"
"""A fixed place: settings name programs by absolute paths, and these must stay when a virtual
environment goes."""


class Settings(NamedTuple):
    """What was asked for."""

    mountpoint: str = DEFAULT_MOUNTPOINT
    opt_in: bool = False
    """Only containers that ask for it."""

    def in_words(self) -> str:
        """The options that ask for this."""
        return f"--mountpoint {self.mountpoint}" + (" --opt-in" if self.opt_in else "")


@dataclass(frozen=True)
class OwnFile:
    """A file that is ours alone."""

    path: str
    """Absolute, as it is on the machine."""
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class MergedJson:
    """Settings of ours in a JSON file of somebody else's. All else stays as it is, and where."""

    path: str
    settings: Mapping[tuple[str, ...], Json]
    """By the keys that lead to each."""


@dataclass(frozen=True)
class MergedLines:
    """Lines of ours at the end of a text file of somebody else's, which two comments enclose."""

    path: str
    lines: str


Merging = MergedJson | MergedLines
Change = OwnFile | Merging


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How one runtime is told of us."""

    found_by: Sequence[str]
    """Paths, any of which shows that it is on the machine; none: it needs nothing there."""
    changes: Callable[[Settings], Sequence[Change]]
    """In the order in which they are to be made: a program before the setting that names it, so
    that no container meets the one without the other."""
    then: str
    """What makes it take effect, or how it is used; a sentence for a person."""
    has_opt_in: bool = True
    recorded: bool = True
    """Whether what was installed has to be remembered: not if each file is this runtime's alone."""
    check: Callable[[Path, Settings], None] = lambda root, settings: None
    """Raises CannotRun if it cannot work beside what is below a root directory."""


def content_of(source: str, mountpoint: str = DEFAULT_MOUNTPOINT) -> bytes:
    """A file of mount-hooks/, with the daemon's mount point filled in.

    Nothing else differs between machines.
    """
    content = (_sources() / source).read_bytes()
    return content.replace(DEFAULT_MOUNTPOINT.encode(), mountpoint.encode())


def _sources() -> Path:
    """The package's data, or the checkout that the package lies in."""
    package = Path(__file__).parents[1]
    packaged = package / "mount_hooks"
    return packaged if packaged.is_dir() else package.parent / "mount-hooks"


def program(name: str) -> tuple[str, ...]:
    """Where a runtime's program would be."""
    return tuple(f"{place}/{name}" for place in ("/usr/bin", "/usr/sbin", "/usr/local/bin"))
