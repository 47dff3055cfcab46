"""Waiting for conditions, never for time."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("LXCFS_PY_TEST_PATIENCE", "1"))
"""How many times as long as usual everything may take: in an emulated machine, 10."""

_INTERVAL = 0.02  # the kernel and LXC tell nobody that a cgroup is empty or a container runs


def wait_until(condition: Callable[[], T], what: str, seconds: float = 10) -> T:
    """Return the condition's first true value.

    Raises:
      TimeoutError: it did not come in `seconds` (times PATIENCE); says `what` was waited for.
    """
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(_INTERVAL)
    return value
