"""Triggers of pressure stall information.

Documentation/accounting/psi.rst; kernel/sched/psi.c, psi_trigger_create(), psi_write().
"""

import re
from typing import NamedTuple

_WINDOW_MAX_USEC = 10_000_000
_TEXT_MAX = 32
# sscanf("some %u %u"): blanks are optional, digits are taken as far as they go, and what follows
# the second number does not matter.
_FORM = re.compile(rb"(some|full)\s*+([0-9]++)\s*+([0-9]++)")
_UNSIGNED = 0xFFFFFFFF  # %u keeps the low 32 bits of a longer number


class Trigger(NamedTuple):
    """Wake up when the stall within a window reaches a threshold."""

    kind: bytes
    """`some` or `full`."""
    threshold_usec: int
    window_usec: int


def parse_trigger(text: bytes) -> Trigger:
    """A trigger as a program writes it, `some 150000 1000000`.

    The kernel looks at 32 bytes, and the last byte of what was written it overwrites with the
    terminator, whatever it was: without a newline or a NUL, the last digit is lost.

    Raises:
      ValueError: the kernel would answer EINVAL.
    """
    found = _FORM.match(text[: min(len(text), _TEXT_MAX) - 1].split(b"\0")[0]) if text else None
    if found is None:
        raise ValueError(f"not a pressure trigger: {text!r}")
    threshold, window = int(found[2]) & _UNSIGNED, int(found[3]) & _UNSIGNED
    if not 0 < window <= _WINDOW_MAX_USEC or not 0 < threshold <= window:
        raise ValueError(f"threshold and window must be 0 < threshold <= window <= 10 s: {text!r}")
    return Trigger(found[1], threshold, window)
