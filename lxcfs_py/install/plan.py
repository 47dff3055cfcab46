"""What has to be done to a machine to install something for a runtime, or to take it back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install.changes import PROGRAMS, Change, Merging, OwnFile, Settings
from lxcfs_py.install.merging import current_text, has, text_with, text_without
from lxcfs_py.install.record import (
    RECORDS,
    Merged,
    Record,
    other_records,
    path_of,
    read_record,
)
from lxcfs_py.install.runtimes import find, runtime_of
from lxcfs_py.install.step import Step, read

_OUR_DIRECTORIES = (PROGRAMS, "/usr/share/lxcfs-py", str(Path(RECORDS).parent))
"""They go when they hold nothing more."""


def below(root: Path, path: str) -> Path:
    """An absolute path, below another root directory."""
    return root / path.lstrip("/")


def plan_install(root: Path, name: str, settings: Settings) -> list[Step]:
    """What has to be done to have a runtime show containers our files.

    Raises:
      CannotRun: it cannot work, or somebody else's file cannot be changed.
    """
    runtime = runtime_of(name)
    runtime.check(root, settings)
    changes = runtime.changes(settings)
    old = read_record(root, name)
    _check_others(root, name, changes)
    merged = {
        change.path: _merged(root, name, change, old)
        for change in changes
        if isinstance(change, Merging)
    }
    own = [change.path for change in changes if isinstance(change, OwnFile)]
    steps = [
        _written(root, change, merged[change.path].after.encode())
        if isinstance(change, Merging)
        else _written(root, change, change.content)
        for change in changes
    ]
    outdated = [path for path in (old.files if old else ()) if path not in own]
    steps += _removals(root, name, outdated)
    if runtime.recorded:
        # First: if we are stopped halfway, what has been done can be taken back.
        record = Record(settings, own, merged).to_bytes()
        steps.insert(0, _step(root, path_of(name), record, 0o600))
    return steps


def plan_uninstall(root: Path, name: str) -> list[Step]:
    """What has to be done to take all of it back; the settings go before what they name.

    Raises:
      CannotRun: somebody else's file cannot be changed.
    """
    record = read_record(root, name)
    runtime = runtime_of(name)
    changes = {change.path: change for way in _ways(record) for change in runtime.changes(way)}
    steps = []
    for change in changes.values():
        if isinstance(change, Merging):
            path = below(root, change.path)
            known = record.merged.get(change.path) if record else None
            text = text_without(current_text(path, change), change, known)
            steps.append(_step(root, change.path, None if text is None else text.encode()))
    own = [path for path, change in changes.items() if isinstance(change, OwnFile)]
    steps += _removals(root, name, dict.fromkeys([*(record.files if record else ()), *own]))
    steps.append(_step(root, path_of(name), None))
    return [step for step in steps if step.changes]


@dataclass(frozen=True)
class State:
    """How a runtime stands."""

    found: bool
    """It is on the machine."""
    installed: bool
    settings: Settings
    """With which it was installed."""
    differs: tuple[Path, ...]
    """What is not as it was installed, or as this version would install it."""


def state_of(root: Path, name: str) -> State:
    """How a runtime stands.

    Raises:
      CannotRun: a record or a file cannot be read.
    """
    runtime = runtime_of(name)
    record = read_record(root, name)
    settings = record.settings if record else Settings()
    changes = runtime.changes(settings)
    there = [change for change in changes if _is_there(root, change)]
    # The last one is what the runtime goes by.
    installed = record is not None or (not runtime.recorded and changes[-1] in there)
    return State(
        found=any(below(root, path).exists() for path in runtime.found_by),
        installed=installed,
        settings=settings,
        differs=tuple(below(root, change.path) for change in changes if change not in there),
    )


def _is_there(root: Path, change: Change) -> bool:
    if isinstance(change, Merging):
        return has(current_text(below(root, change.path), change), change)
    return not _written(root, change, change.content).changes


def _ways(record: Record | None) -> list[Settings]:
    """With which it was installed; without a record, with which it may have been."""
    # Of a merged file the last one counts: what `--opt-in` sets there, others set too.
    return [record.settings] if record else [Settings(opt_in=True), Settings()]


def _merged(root: Path, name: str, change: Merging, old: Record | None) -> Merged:
    """The file as it would be without us, and as it will be."""
    path = below(root, change.path)
    text = before = current_text(path, change)
    known = old.merged.get(change.path) if old else None
    made = [made for way in _ways(old) for made in runtime_of(name).changes(way)]
    for earlier in made:
        if isinstance(earlier, OwnFile) or earlier.path != change.path:
            continue
        if known or has(text, earlier):  # ours may be there without a record
            before = text_without(before, earlier, known)
    is_in_place = has(text, change) and before == text_without(text, change, known)
    if is_in_place and text is not None:
        return Merged(before, text)
    return Merged(before, text_with(path, before, change))


def _check_others(root: Path, name: str, changes: Sequence[Change]) -> None:
    """What several runtimes use has to suit all of them."""
    for other, record in other_records(root, name):
        runtime = find(other)
        theirs = (
            {change.path: change for change in runtime.changes(record.settings)} if runtime else {}
        )
        for change in changes:
            if theirs.get(change.path, change) != change:
                raise CannotRun(
                    f"{below(root, change.path)}: {other} uses it too, and was installed with"
                    f" {record.settings.in_words()}; give the same, or uninstall {other} first"
                )


def _written(root: Path, change: Change, content: bytes) -> Step:
    mode = change.mode if isinstance(change, OwnFile) else None
    return _step(root, change.path, content, mode)


def _step(root: Path, path: str, after: bytes | None, mode: int | None = None) -> Step:
    where = below(root, path)
    return Step(where, read(where), after, mode, _removable(root, path))


def _removable(root: Path, path: str) -> Path | None:
    for directory in _OUR_DIRECTORIES:
        if Path(path).is_relative_to(directory):
            return below(root, directory)
    return None


def _removals(root: Path, name: str, paths: Iterable[str]) -> Iterator[Step]:
    """What nobody else has use for goes, in the reverse of the order in which it came."""
    needed = {path for _, record in other_records(root, name) for path in record.files}
    for path in reversed(list(paths)):
        if path not in needed:
            yield _step(root, path, None)
