"""Where metrics are to be had: `unix:PATH`, or a port that only this machine reaches."""

import ipaddress
from typing import NamedTuple

_PORTS = range(1, 1 << 16)


class Place(NamedTuple):
    """A socket's address."""

    path: str = ""
    """Of a Unix socket; empty: host and port."""
    host: str = ""
    port: int = 0


def parse_place(text: str) -> Place:
    """A place as `--metrics` has it.

    Raises:
      ValueError: it is none, or others could reach it; says why.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or path.endswith("/"):
            raise ValueError("a Unix socket needs a path from the root on")
        return Place(path=path)
    host, colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) in _PORTS):
        raise ValueError("neither unix:PATH nor PORT nor ADDRESS:PORT")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    host = "127.0.0.1" if host == "localhost" else host
    try:
        is_ours = ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ValueError(f"{host!r} is not an address") from error
    if not is_ours:
        raise ValueError("only this machine may ask: 127.0.0.1, ::1 or unix:PATH")
    return Place(host=host, port=int(port))
