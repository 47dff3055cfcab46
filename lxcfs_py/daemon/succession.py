"""A supervisor that becomes the next version of itself: exec(2), with all that it holds.

It stays the same process, so neither the service manager nor the kernel notices; the worker goes on
meanwhile. As a program, this module is how a supervisor finds out whether its successor can be
loaded at all, before it gives itself up.
"""

import json
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import Any, Self

from lxcfs_py.daemon.generation import Connection
from lxcfs_py.daemon.signals import Signals

_ESTATE = "LXCFS_PY_ESTATE"
"""An environment variable: the descriptor in which the estate lies."""


@dataclass(frozen=True, kw_only=True)
class Estate:
    """What is left to a successor. Descriptors are numbers, and open in it."""

    connection: int
    init: str
    """FUSE_INIT, in hexadecimal digits."""
    mounted_at_ns: int
    pidfile: int
    host_text_only: bool
    version: str
    """Of template and worker, whose channels and process numbers follow."""
    template: tuple[int, int]
    worker: tuple[int, int]
    keepsakes: tuple[tuple[int, int, str], ...]
    """Number, descriptor and note."""
    upgrade: dict[str, Any]
    """The last one's outcome."""
    options: str = ""
    """In JSON."""

    def open_connection(self) -> Connection:
        """The connection, as it was."""
        return Connection(self.connection, bytes.fromhex(self.init), self.mounted_at_ns)

    def descriptors(self) -> Iterable[int]:
        """All that have to stay open."""
        yield from (self.connection, self.pidfile, self.template[0], self.worker[0])
        yield from (descriptor for _, descriptor, _ in self.keepsakes)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Also from another version: it may say more."""
        values = json.loads(text)
        known = {field.name for field in fields(cls)} & values.keys()
        return cls(**{name: values[name] for name in known})


def leave(estate: Estate, signals: Signals) -> bool:
    """Become the next version.

    Signals wait until the successor can take them: until then they would end it.

    Returns:
      Whether it is possible at all; not now, if signals have come that nobody has taken.
    """
    everything = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if signals.have_come():  # they would be lost with us
        signal.pthread_sigmask(signal.SIG_SETMASK, everything)
        return True
    file = os.memfd_create("estate")
    os.write(file, json.dumps(asdict(estate)).encode())
    descriptors = [file, *estate.descriptors()]
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    command = [sys.executable, "-m", "lxcfs_py", *sys.argv[1:]]
    try:
        os.execve(command[0], command, os.environ | {_ESTATE: str(file)})
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, everything)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        os.close(file)
    return False


def estate() -> Estate | None:
    """What was left to us; None for a daemon that begins anew."""
    number = os.environ.pop(_ESTATE, None)
    if number is None:
        return None
    with open(int(number), "rb") as file:
        file.seek(0)
        found = Estate.from_json(file.read())
    for descriptor in found.descriptors():
        os.set_inheritable(descriptor, False)
    return found


def begin_to_hear() -> None:
    """Take the signals that have waited."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


if __name__ == "__main__":
    import_module("lxcfs_py.daemon.command")  # all that a successor loads
