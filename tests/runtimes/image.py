"""A root file system of a few programs of this machine, and what these need: made in a moment."""

import re
import shutil
import subprocess
from pathlib import Path

_PROGRAMS = ("sh", "cat", "free", "uptime", "nproc", "ls", "sleep", "true")
_EMPTY = ("proc", "sys", "dev", "tmp", "run", "etc", "var")


def make_root(directory: Path) -> Path:
    """Make it; all of it may be changed."""
    for name in _EMPTY:
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name in _PROGRAMS:
        path = shutil.which(name)
        assert path is not None, f"{name}: not on this machine"
        _copy(Path(path), directory / "usr/bin" / name)
        for library in _libraries(path):
            _copy(Path(library), directory / library.lstrip("/"))
    (directory / "bin").symlink_to("usr/bin")
    return directory


def _libraries(program: str) -> list[str]:
    output = subprocess.check_output(["ldd", program], text=True)
    return re.findall(r"(/\S+) \(0x", output)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(source, target)  # what a link leads to
