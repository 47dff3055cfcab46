"""The one place where an exception becomes an errno, or the host's text.

pyfuse3 ends its main loop on any exception but FUSEError. Here: an OSError keeps its errno, and a
bug costs its request one EIO and leaves a traceback in the log.
"""

import errno
import functools
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import pyfuse3

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Self = TypeVar("Self")

_WARNING_INTERVAL = 60.0


def answers(
    handler: Callable[Concatenate[Self, P], R],
) -> Callable[Concatenate[Self, P], Coroutine[Any, Any, R]]:
    """Make a request handler of a plain method.

    Handlers do not await: what they read of the kernel takes microseconds, and so each one runs
    whole, between two requests.
    """

    @functools.wraps(handler)
    async def answer(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(self, *args, **kwargs)
        except Exception as error:
            raise pyfuse3.FUSEError(errno_of(error, handler.__name__)) from error

    return answer


def errno_of(error: Exception, request: str) -> int:
    """What a request that failed is answered with."""
    if isinstance(error, pyfuse3.FUSEError):
        return error.errno
    if isinstance(error, OSError):
        return error.errno or errno.EIO
    _log.error("%s failed", request, exc_info=error)
    return errno.EIO


class Fallback:
    """What a reader gets when the container's cgroup cannot be read.

    The last good text of its handle, else the host's; with `strict`, the error.
    """

    def __init__(self, *, strict: bool) -> None:
        self.count = 0
        self._strict = strict
        self._warned_at = -_WARNING_INTERVAL

    def instead(
        self, path: str, error: OSError, *, last: bytes | None, host: Callable[[str], bytes]
    ) -> bytes:
        """The text to give.

        Raises:
          OSError: EIO, if strict.
        """
        self.count += 1
        given = "EIO" if self._strict else "the host's text" if last is None else "the last text"
        if time.monotonic() - self._warned_at >= _WARNING_INTERVAL:
            self._warned_at = time.monotonic()
            _log.warning(
                "%s: the cgroup cannot be read (%s); the reader got %s (%d times so far)",
                path, error, given, self.count,
            )  # fmt: skip
        if self._strict:
            raise OSError(errno.EIO, f"{path}: the cgroup cannot be read") from error
        return host(path) if last is None else last
