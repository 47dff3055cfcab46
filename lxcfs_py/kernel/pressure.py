"""Triggers of pressure stall information.

Documentation/accounting/psi.rst; kernel/sched/psi.c, psi_trigger_create(), psi_write().
"""

from typing import NamedTuple

_WINDOW_MAX_USEC = 10_000_000
_TEXT_MAX = 32


class Trigger(NamedTuple):
    """Wake up when the stall within a window reaches a threshold."""

    kind: bytes
    """`some` or `full`."""
    threshold_usec: int
    window_usec: int


def parse_trigger(text: bytes) -> Trigger:
    """A trigger as a program writes it, `some 150000 1000000`.

    The kernel looks at 32 bytes and takes the last of what was written for a terminator.

    Raises:
      ValueError: the kernel would answer EINVAL.
    """
    words = text[:_TEXT_MAX].split(b"\0")[0].split()
    if len(words) != 3 or words[0] not in (b"some", b"full"):
        raise ValueError(f"not a pressure trigger: {text!r}")
    threshold, window = int(words[1]), int(words[2])
    if not 0 < window <= _WINDOW_MAX_USEC or not 0 < threshold <= window:
        raise ValueError(f"threshold and window must be 0 < threshold <= window <= 10 s: {text!r}")
    return Trigger(words[0], threshold, window)
