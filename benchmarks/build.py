"""The helpers in C, compiled from helpers/ where they are used."""

import subprocess
from pathlib import Path
from typing import NamedTuple

_SOURCES = Path(__file__).parent / "helpers"
_WARNINGS = ["-std=gnu11", "-Wall", "-Wextra", "-O2"]


class Helpers(NamedTuple):
    """The compiled programs; the head of each C file says what it does."""

    containers: Path
    reader: Path
    first_read: Path
    floor: Path


def build_helpers(directory: Path) -> Helpers:
    """Compile into a directory. Static where possible: a thousand of them should cost little.

    Raises:
      subprocess.CalledProcessError: the compiler has said why.
    """
    libfuse = subprocess.check_output(["pkg-config", "--cflags", "--libs", "fuse3"], text=True)
    return Helpers(
        containers=_compile(directory, "containers", ["-static", "-pthread"]),
        reader=_compile(directory, "reader", ["-static", "-pthread"]),
        first_read=_compile(directory, "first_read", ["-static"]),
        floor=_compile(directory, "floor", libfuse.split()),
    )


def _compile(directory: Path, name: str, options: list[str]) -> Path:
    program = directory / name
    source = _SOURCES / f"{name}.c"
    subprocess.run(["gcc", *_WARNINGS, "-o", program, source, *options], check=True)
    return program
