"""What the supervisor tells the commands: a small file, replaced whole each time it changes."""

import glob
import json
import os
from dataclasses import asdict, dataclass
from typing import Self

from lxcfs_py.daemon.kept import kept_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """How the last upgrade went."""

    number: int = 0
    """They are counted from the daemon's start; 0: there was none."""
    old: str = ""
    new: str = ""
    """Versions."""
    failure: str = ""
    """Why the old version goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A daemon's processes, and what they run."""

    supervisor: int
    worker: int
    """Process numbers."""
    version: str
    """Of the worker."""
    upgrade: Upgrade

    def write(self, path: str) -> None:
        """Put it in the file's place at once."""
        with open(f"{path}.new", "w") as file:
            json.dump(asdict(self), file)
        os.rename(f"{path}.new", path)

    @classmethod
    def read(cls, path: str) -> Self:
        """As written."""
        with open(path) as file:
            values = json.load(file)
        return cls(**values | {"upgrade": Upgrade(**values["upgrade"])})


def find_status(runtime_dir: str, supervisor: int) -> str | None:
    """The file of a daemon whose supervisor is this process."""
    for path in glob.glob("status-????????", root_dir=kept_directory(runtime_dir)):
        path = os.path.join(kept_directory(runtime_dir), path)
        if Status.read(path).supervisor == supervisor:
            return path
    return None
