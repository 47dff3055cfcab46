"""The daemon's log, on stderr: lines for people, or JSON for machines."""

import json
import logging
import time

from lxcfs_py.options import LogFormat


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


def set_up(level: str, form: LogFormat) -> None:
    """Send everything of a level or above to stderr."""
    handler = logging.StreamHandler()
    text = logging.Formatter("lxcfs-py: %(levelname)s: %(message)s")
    handler.setFormatter(_Json() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
