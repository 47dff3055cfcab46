"""Our settings in somebody else's JSON file: put in, found, and taken out again."""

import json
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install import json_text
from lxcfs_py.install.changes import Json, MergedJson
from lxcfs_py.install.record import Merged
from lxcfs_py.install.step import read


def current_text(path: Path) -> str | None:
    """The file's text, known to be a JSON object or blank; None if there is no file.

    Raises:
      CannotRun: it is something else.
    """
    if path.is_symlink():
        raise CannotRun(f"{path}: a symbolic link; make the change in the file that it leads to")
    content = read(path)
    if content is None:
        return None
    try:
        text = content.decode()
        if text.strip():
            json_text.get(text, ())
    except ValueError as error:
        raise CannotRun(f"{path}: not JSON ({error}); nothing was changed") from error
    return text


def with_settings(path: Path, text: str | None, change: MergedJson) -> str:
    """The text with our settings in it.

    Raises:
      CannotRun: there is something else in their place.
    """
    if text is None or not text.strip():
        return json.dumps(_nested(change.settings), indent=4) + "\n"
    for keys, value in change.settings.items():
        try:
            text = json_text.put(text, keys, json.dumps(value))
        except ValueError as error:
            raise CannotRun(f"{path}: {error}; nothing was changed") from error
    return text


def has_settings(text: str | None, change: MergedJson) -> bool:
    """Whether all of our settings are in a text."""
    return bool(text and text.strip()) and all(
        json_text.get(text or "", keys) == value for keys, value in change.settings.items()
    )


def without_settings(text: str | None, change: MergedJson, merged: Merged | None) -> str | None:
    """The text as it would be without us; None: there would be no file.

    What was there before comes back; what else has been edited since, and a setting of ours that
    has been given another value, stay.
    """
    if merged is not None and text == merged.after:
        return merged.before
    if text is None or not text.strip():
        return text
    before = (merged and merged.before) or "{}"
    before = before if before.strip() else "{}"
    for keys, value in change.settings.items():
        if json_text.get(text, keys) != value:
            continue
        old = json_text.raw(before, keys)
        if old is not None:
            text = json_text.put(text, keys, old)
        else:
            text = _remove_with_empty_parents(text, keys, before)
    nothing_left = json_text.get(text, ()) == {}
    return None if nothing_left and merged is not None and merged.before is None else text


def _remove_with_empty_parents(text: str, keys: tuple[str, ...], before: str) -> str:
    """Remove a setting, and the objects that were made for it."""
    text = json_text.remove(text, keys)
    for parent in reversed(list(accumulate((key,) for key in keys[:-1]))):
        if json_text.get(text, parent) == {} and json_text.get(before, parent) is None:
            text = json_text.remove(text, parent)
    return text


def _nested(settings: Mapping[tuple[str, ...], Json]) -> dict[str, Json]:
    nested: dict[str, Json] = {}
    for keys, value in settings.items():
        level = nested
        for key in keys[:-1]:
            inner = level.setdefault(key, {})
            assert isinstance(inner, dict)  # no setting is a part of another
            level = inner
        level[keys[-1]] = value
    return nested
