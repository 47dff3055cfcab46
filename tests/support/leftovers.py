"""What a test left behind, found by a name that everything of it carries."""

from pathlib import Path

from tests.support.cgroups import cgroups_named
from tests.support.mounts import mount_points


def leftovers(name: str) -> list[str]:
    """Processes, mounts, cgroups and temporary files with `name` in their name."""
    mounts = [f"mount {point}" for point in mount_points() if name in point]
    cgroups = [f"cgroup {directory}" for directory in cgroups_named(f"*{name}*")]
    files = [f"file {path}" for path in Path("/tmp").glob(f"*{name}*")]
    return [*_processes(name), *mounts, *cgroups, *files]


def _processes(name: str) -> list[str]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name in command:
            found.append(f"process {directory.name}: {command}")
    return found
