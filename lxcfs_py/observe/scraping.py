"""Where metrics are fetched: GET /metrics, by HTTP/1.0."""

import logging
import socket
from collections.abc import Callable

import trio

from lxcfs_py.observe.clients import BACKLOG, serve_clients
from lxcfs_py.observe.listener import listen_at
from lxcfs_py.observe.place import Place

_log = logging.getLogger(__name__)

_HEAD_MAX = 8192
_AGAIN_AFTER = 1.0  # the worker before us may hold the port for a moment

Text = Callable[[], bytes]


async def serve_metrics(place: Place, content_type: str, text: Text) -> None:
    """Answer for ever."""

    async def converse(stream: trio.SocketStream) -> None:
        head = bytearray()
        while b"\r\n\r\n" not in head and len(head) <= _HEAD_MAX:
            more = await stream.receive_some(_HEAD_MAX)
            if not more:
                return
            head += more
        await stream.send_all(_answer(bytes(head), content_type, text))

    await serve_clients(await _listen(place), converse, "metrics")


async def _listen(place: Place) -> socket.socket:
    """A listening socket, as soon as it can be had; serving files does not wait for it."""
    said = False
    while True:
        try:
            return listen_at(place.path) if place.path else _listen_on(place)
        except OSError as error:
            if not said:
                said = True
                where = place.path or f"{place.host} port {place.port}"
                _log.error("%s: no metrics until this is mended: %s", where, error)
        await trio.sleep(_AGAIN_AFTER)


def _listen_on(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((place.host, place.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _answer(head: bytes, content_type: str, text: Text) -> bytes:
    words = head.split(b"\r\n")[0].split()
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return _response("400 Bad Request", "text/plain", b"")
    if words[0] not in (b"GET", b"HEAD"):
        return _response("405 Method Not Allowed", "text/plain", b"")
    if words[1].split(b"?")[0] != b"/metrics":
        return _response("404 Not Found", "text/plain", b"metrics are at /metrics\n")
    body = text()
    answer = _response("200 OK", content_type, body)
    return answer if words[0] == b"GET" else answer[: -len(body)]


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.0 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
