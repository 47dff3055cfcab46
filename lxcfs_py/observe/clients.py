"""Those who ask a worker by a socket: few at a time, none for long.

Whatever goes wrong with one concerns nobody else.
"""

import logging
import socket
from collections.abc import Awaitable, Callable

import trio

_log = logging.getLogger(__name__)

_AT_ONCE = 4
BACKLOG = _AT_ONCE * 4
"""For listen(2)."""
_SECONDS = 10.0
"""For one client."""
_PAUSE = 0.5  # after an accept(2) that failed: there is no descriptor left

Converse = Callable[[trio.SocketStream], Awaitable[None]]


async def serve_clients(at: socket.socket, converse: Converse, what: str) -> None:
    """Converse with each, for ever; `what` they want is for the log."""
    listener = trio.socket.from_stdlib_socket(at)
    free = trio.Semaphore(_AT_ONCE)
    async with trio.open_nursery() as nursery:
        while True:
            await free.acquire()
            try:
                client, _ = await listener.accept()
            except OSError as error:
                _log.warning("no %s at the moment: %s", what, error)
                free.release()
                await trio.sleep(_PAUSE)
                continue
            nursery.start_soon(_serve, trio.SocketStream(client), converse, what, free)


async def _serve(
    stream: trio.SocketStream, converse: Converse, what: str, free: trio.Semaphore
) -> None:
    try:
        with trio.move_on_after(_SECONDS):
            await converse(stream)
    except trio.BrokenResourceError:
        pass  # whoever asked has gone
    except Exception:
        _log.exception("%s: a client was not answered", what)
    finally:
        free.release()
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
