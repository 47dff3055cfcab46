"""Settings of ours in somebody else's file, of either kind: put in, found, and taken out again."""

from pathlib import Path

from lxcfs_py.install import merge, merge_lines
from lxcfs_py.install.changes import MergedLines, Merging
from lxcfs_py.install.record import Merged


def text_with(path: Path, text: str | None, change: Merging) -> str:
    """The text with ours in it.

    Raises:
      CannotRun: there is something else in its place.
    """
    if isinstance(change, MergedLines):
        return merge_lines.with_lines(text, change)
    return merge.with_settings(path, text, change)


def text_without(text: str | None, change: Merging, merged: Merged | None) -> str | None:
    """The text as it would be without us; None: there would be no file."""
    if isinstance(change, MergedLines):
        return merge_lines.without_lines(text, merged)
    return merge.without_settings(text, change, merged)


def has(text: str | None, change: Merging) -> bool:
    """Whether all of ours is in a text."""
    if isinstance(change, MergedLines):
        return merge_lines.has_lines(text, change)
    return merge.has_settings(text, change)


def current_text(path: Path, change: Merging) -> str | None:
    """The file's text; None if there is no file.

    Raises:
      CannotRun: it cannot be changed.
    """
    if isinstance(change, MergedLines):
        return merge_lines.current_text(path)
    return merge.current_text(path)
