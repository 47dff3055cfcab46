"""What was installed for a runtime: how to take it back, and who else has use for a file."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install.changes import Settings

RECORDS = "/var/lib/lxcfs-py/installed"


@dataclass(frozen=True)
class Merged:
    """A file of somebody else's, as it was and as we have made it."""

    before: str | None
    """None: there was none."""
    after: str


@dataclass(frozen=True)
class Record:
    """What was installed for a runtime."""

    settings: Settings
    files: list[str]
    """Of ours."""
    merged: dict[str, Merged] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As it is kept."""
        values = {
            "settings": self.settings._asdict(),
            "files": self.files,
            "merged": {path: asdict(merged) for path, merged in self.merged.items()},
        }
        return json.dumps(values, indent=4).encode() + b"\n"


def path_of(name: str) -> str:
    """Where a runtime's record is kept."""
    return f"{RECORDS}/{name}.json"


def read_record(root: Path, name: str) -> Record | None:
    """What was installed for a runtime below a root directory.

    Raises:
      CannotRun: it is damaged.
    """
    path = root / path_of(name).lstrip("/")
    try:
        values = json.loads(path.read_bytes())
        merged = {name: Merged(**value) for name, value in values["merged"].items()}
        return Record(Settings(**values["settings"]), list(values["files"]), merged)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CannotRun(
            f"{path}: cannot be read ({error}); remove it, then install {name} again"
        ) from error


def recorded(root: Path) -> list[str]:
    """The names of the runtimes that have records."""
    return sorted(path.stem for path in (root / RECORDS.lstrip("/")).glob("*.json"))


def other_records(root: Path, name: str) -> Iterator[tuple[str, Record]]:
    """Those of all other runtimes."""
    for other in recorded(root):
        if other != name and (record := read_record(root, other)) is not None:
            yield other, record
