"""The daemon's log, on stderr: lines for people, or JSON for machines.

systemd's journal, if that is what stderr leads to, is told the priority of each line: sd-daemon(3).
"""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping

from lxcfs_py.options import LogFormat

_PRIORITIES: Mapping[int, str] = {
    logging.DEBUG: "<7>",
    logging.INFO: "<6>",
    logging.WARNING: "<4>",
    logging.ERROR: "<3>",
    logging.CRITICAL: "<2>",
}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class _ForJournal(logging.Formatter):
    """What another formatter makes; each line with its priority."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return with_priority(self._formatter.format(record), record.levelno)


def set_up(level: str, form: LogFormat) -> None:
    """Send everything of a level or above to stderr."""
    handler = logging.StreamHandler()
    # The journal has the level, and the name of the unit.
    text = "%(message)s" if _to_journal() else "lxcfs-py: %(levelname)s: %(message)s"
    formatter = _Json() if form == "json" else logging.Formatter(text)
    handler.setFormatter(_ForJournal(formatter) if _to_journal() else formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def complain(text: str) -> None:
    """Tell an error to whoever started us."""
    for line in text.splitlines():
        message = f"lxcfs-py: {line}"
        print(with_priority(message, logging.ERROR) if _to_journal() else message, file=sys.stderr)


def with_priority(text: str, level: int) -> str:
    """A text as the journal takes it from stderr."""
    return "\n".join(_PRIORITIES[level] + line for line in text.split("\n"))


def _to_journal() -> bool:
    """Whether stderr is the journal's: systemd.exec(5), $JOURNAL_STREAM."""
    stream = os.environ.get("JOURNAL_STREAM")
    if stream is None:
        return False
    status = os.fstat(2)
    return stream == f"{status.st_dev}:{status.st_ino}"
