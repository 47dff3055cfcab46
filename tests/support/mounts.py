"""The mounts of this process's namespace. Reads mountinfo only: a dead mount answers no stat()."""

import subprocess
from pathlib import Path


def mount_points() -> list[str]:
    """Every mount point, the latest last."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4].encode().decode("unicode_escape") for line in lines]


def unmount_below(directory: Path) -> None:
    """Detach whatever is mounted at or below `directory`, dead or alive."""
    for point in reversed(mount_points()):
        if Path(point).is_relative_to(directory):
            subprocess.run(["umount", "--lazy", point], check=True)
