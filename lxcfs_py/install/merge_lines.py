"""Our lines in somebody else's text file: put in at its end, found, and taken out again.

Two comments enclose them, so that they are found whatever has been edited around them.
"""

import re
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install.changes import MergedLines
from lxcfs_py.install.record import Merged
from lxcfs_py.install.step import read

_BEGIN = "# The lines from here on are lxcfs-py's; `lxcfs-py uninstall` takes them out.\n"
_END = "# The end of lxcfs-py's lines.\n"
_OURS = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)


def current_text(path: Path) -> str | None:
    """The file's text; None if there is no file.

    Raises:
      CannotRun: it is no text, or a symbolic link, or has lost the end of our lines.
    """
    if path.is_symlink():
        raise CannotRun(f"{path}: a symbolic link; make the change in the file that it leads to")
    content = read(path)
    if content is None:
        return None
    try:
        text = content.decode()
    except ValueError as error:
        raise CannotRun(f"{path}: not UTF-8 ({error}); nothing was changed") from error
    if text.count(_BEGIN) != len(_OURS.findall(text)):
        raise CannotRun(f"{path}: the end of our lines is missing; remove them by hand")
    return text


def with_lines(text: str | None, change: MergedLines) -> str:
    """The text with our lines at its end."""
    text = text or ""
    if text and not text.endswith("\n"):
        text += "\n"
    return f"{text}{_BEGIN}{change.lines}{_END}"


def has_lines(text: str | None, change: MergedLines) -> bool:
    """Whether our lines are in a text."""
    return with_lines(None, change) in (text or "")


def without_lines(text: str | None, merged: Merged | None) -> str | None:
    """The text as it would be without us; None: there would be no file."""
    if merged is not None and text == merged.after:
        return merged.before
    if text is None or _BEGIN not in text:
        return text
    left = _OURS.sub("", text)
    return None if not left and (merged is None or merged.before is None) else left
