"""A v1 hierarchy, as lxcfs and ours serve it to a container."""

from dataclasses import dataclass
from pathlib import Path

from tests.differential.pair import Outcomes, Pair
from tests.support.cgroups import hierarchies
from tests.support.container import Agent, Container

NAME = "pids"
"""Few others have use for this one, and its limits hurt nobody who has none."""


@dataclass(frozen=True)
class Tree:
    """Paths below are relative to the container's cgroup, unless they begin with a slash."""

    pair: Pair
    container: Container
    real: Path
    """The hierarchy's mount point on the host."""

    def place(self, path: str) -> str:
        """Where something is below both mount points."""
        below = path if path.startswith("/") else f"/{self.container.cgroup.path}/{path}"
        return f"cgroup/{NAME}{below}"

    def paths(self, path: str) -> tuple[str, str]:
        """Ours and theirs."""
        return self.pair.paths(self.place(path))

    def kernel(self, path: str) -> Path:
        """The same in the kernel's own file system."""
        return self.real / self.container.cgroup.path / path

    def outcomes(
        self, function: object, path: str, *arguments: object, who: Agent | None = None
    ) -> Outcomes:
        """As Pair.outcomes()."""
        return self.pair.outcomes(who or self.container, function, self.place(path), *arguments)


def real_hierarchy() -> Path | None:
    """Where it is mounted, if it is a v1 hierarchy."""
    for one in hierarchies():
        if one.mountpoint.name == NAME and not one.is_v2:
            return one.mountpoint
    return None
