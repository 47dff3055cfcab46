"""How soon what has ended is replaced: at once, but later and later if nothing lasts."""

import time

_YOUNG = 1.0
"""Seconds."""
_YOUNG_MAX = 300
"""So many that had served may die young in a row, and be replaced at once: somebody kills them."""
_STILLBORN_MAX = 3
"""So many may end in a row before they serve."""
_PAUSE_MAX = 5.0


class Pace:
    """Counts what did not last; all times are seconds of time.monotonic()."""

    def __init__(self) -> None:
        """Everything lasts so far."""
        self._died_young = 0
        self._stillborn = 0

    def serves(self) -> None:
        """A worker has come to serve."""
        self._stillborn = 0

    def served(self, born_at: float) -> float:
        """The pause after the end of a worker that served."""
        young = time.monotonic() - born_at < _YOUNG
        self._died_young = self._died_young + 1 if young else 0
        return _pause(self._died_young - _YOUNG_MAX)

    def never_served(self) -> float:
        """The pause after the end of a worker that did not come to serve, or of a template."""
        self._stillborn += 1
        return _pause(self._stillborn - _STILLBORN_MAX)


def _pause(excess: int) -> float:
    return 0 if excess <= 0 else min(0.1 * 2 ** min(excess, 10), _PAUSE_MAX)
