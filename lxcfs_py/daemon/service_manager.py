"""systemd, or whoever speaks its protocol: that we serve and live, and a store for our connection.

sd_notify(3), sd_pid_notify_with_fds(3), sd_listen_fds(3). What is stored there outlives us, and is
handed to the next start of the service; so the connection does, and with it every mount.
"""

import json
import os
import select
import socket
import time
from collections.abc import Sequence

from lxcfs_py.daemon.generation import Connection

_FIRST = 3  # SD_LISTEN_FDS_START
_CONNECTION, _MEMO = "connection", "memo"
"""The names in the store; the memo is what else a successor has to know."""


def notify(text: str, descriptors: Sequence[int] = ()) -> None:
    """Tell whoever started us, if they want to know."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        socket.send_fds(sock, [text.encode()], descriptors)


class Watchdog:
    """Says as often as is wanted that we are alive: sd_watchdog_enabled(3)."""

    def __init__(self) -> None:
        ours = os.environ.get("WATCHDOG_PID", "") == str(os.getpid())
        self.interval = int(os.environ["WATCHDOG_USEC"]) / 2e6 if ours else float("inf")
        """Seconds: half the time after which we would be ended."""
        self._said_at = float("-inf")

    def alive(self) -> None:
        """To be called by a loop, at least every `interval`."""
        now = time.monotonic()
        if now - self._said_at >= self.interval:
            self._said_at = now
            notify("WATCHDOG=1")


def store(connection: Connection) -> None:
    """Have the connection kept for the next start. Once is enough."""
    memo = {"init": connection.init.hex(), "mounted_at_ns": connection.mounted_at_ns}
    file = os.memfd_create(_MEMO)
    os.write(file, json.dumps(memo).encode())
    notify(f"FDSTORE=1\nFDNAME={_MEMO}", [file])
    notify(f"FDSTORE=1\nFDNAME={_CONNECTION}", [connection.descriptor])
    os.close(file)


def forget() -> None:
    """Have nothing kept: it was unmounted."""
    for name in (_MEMO, _CONNECTION):
        notify(f"FDSTOREREMOVE=1\nFDNAME={name}")


def stored_connection() -> Connection | None:
    """The connection that an earlier start has stored, if it is still alive."""
    descriptors = _handed_over()
    if not {_CONNECTION, _MEMO} <= descriptors.keys():
        return None
    memo = json.loads(os.pread(descriptors[_MEMO], 4096, 0))
    os.close(descriptors[_MEMO])
    connection = descriptors[_CONNECTION]
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if any(events & select.POLLERR for _, events in poll.poll(0)):
        os.close(connection)
        return None
    return Connection(connection, bytes.fromhex(memo["init"]), memo["mounted_at_ns"])


def _handed_over() -> dict[str, int]:
    """The descriptors that we were started with, by their names."""
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    found = dict(zip(names, range(_FIRST, _FIRST + count), strict=False))
    for descriptor in found.values():
        os.set_inheritable(descriptor, False)
    return found
