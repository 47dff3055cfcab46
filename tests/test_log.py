"""The log: on a terminal, and in systemd's journal."""

import os
import socket
import subprocess
import sys

_PROGRAM = """
import logging
from lxcfs_py import log
log.set_up("info", "FORM")
logging.debug("not this")
logging.info("this")
logging.warning("one\\ntwo")
log.complain("it cannot")
"""


def _logged(form: str, *, to_journal: bool) -> list[str]:
    """What a process says, on a socket as systemd makes it for a service's stderr."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours:
        with theirs:
            status = os.fstat(theirs.fileno())
            # Whoever redirects stderr leaves the variable of what it was before.
            stream = f"{status.st_dev}:{status.st_ino + (not to_journal)}"
            subprocess.run(
                [sys.executable, "-c", _PROGRAM.replace("FORM", form)],
                env=os.environ | {"JOURNAL_STREAM": stream},
                stderr=theirs.fileno(),
                check=True,
            )
        return ours.recv(65536).decode().splitlines()


def test_the_journal_is_told_the_priority_of_each_line() -> None:
    assert _logged("text", to_journal=True) == [
        "<6>this",
        "<4>one",
        "<4>two",
        "<3>lxcfs-py: it cannot",
    ]


def test_json_for_the_journal() -> None:
    lines = _logged("json", to_journal=True)

    assert [line[:4] for line in lines] == ["<6>{", "<4>{", "<3>l"]


def test_elsewhere_the_level_is_a_word() -> None:
    assert _logged("text", to_journal=False) == [
        "lxcfs-py: INFO: this",
        "lxcfs-py: WARNING: one",
        "two",
        "lxcfs-py: it cannot",
    ]
