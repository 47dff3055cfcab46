"""Names that tell whose they are: what a crash leaves behind can be removed without guessing.

The owner is a process. Its pid alone may be another's by now; with its start time it cannot.
"""

import os
import re
from collections.abc import Iterator

from lxcfs_py.kernel.pid import parse_start_time

_PREFIX = "lxcfs-py-try"
_NAME = re.compile(rf"{_PREFIX}-(\d+)-(\d+)")


def own_name() -> str:
    """A name that is this process' as long as it lives."""
    pid = os.getpid()
    return f"{_PREFIX}-{pid}-{_start_time(pid)}"


def stale(directory: str) -> Iterator[str]:
    """The paths in a directory whose owner is gone.

    An owner in a pid namespace that we do not see looks gone too. So nothing may be done to these
    paths that a living owner would notice: rmdir(2) refuses a cgroup with processes and a directory
    with files.
    """
    for name in os.listdir(directory):
        match = _NAME.fullmatch(name)
        if match and _start_time(int(match[1])) != int(match[2]):
            yield os.path.join(directory, name)


def _start_time(pid: int) -> int | None:
    """In clock ticks since boot; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return parse_start_time(file.read())
    except (FileNotFoundError, ProcessLookupError):
        return None
