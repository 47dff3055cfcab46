"""Containers that the administrator has taken out: by globs for their cgroups."""

import re
from collections.abc import Sequence


class Exemptions:
    """Globs for cgroups. One that matches a cgroup stands for all below it, too.

    `*` and `?` match no slash: a container names the cgroups it makes itself, and must not match by
    that what was not meant for it.
    """

    def __init__(self, globs: Sequence[str] = ()) -> None:
        one_of = "|".join(map(_pattern, globs))
        self._pattern = re.compile(rf"^\d+:[^:]*:(?:{one_of})(?:/|$)".encode(), re.MULTILINE)
        self._some = bool(globs)

    def match(self, membership: bytes) -> bool:
        """Whether one of a process's cgroups, as /proc/PID/cgroup has them, is exempt."""
        return self._some and self._pattern.search(membership) is not None


def _pattern(glob: str) -> str:
    escaped = re.escape(glob.rstrip("/"))
    return escaped.replace(r"\*", "[^/\n]*").replace(r"\?", "[^/\n]")
