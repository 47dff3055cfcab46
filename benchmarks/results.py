"""Measured values by row, and what follows from them. Pure: nothing is measured here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import ge, le, lt
from statistics import median
from typing import Literal, NamedTuple

OURS, LXCFS, FLOOR, KERNEL = "ours", "lxcfs", "C floor", "kernel"
UNCACHED = "ours, nothing kept"
"""Ours without the 10 ms in which it takes some answers for those of the same moment."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {"≤": le, "≥": ge, "<": lt}


@dataclass(frozen=True, slots=True)
class Target:
    """What a row is to reach."""

    of: Literal["ratio", "ours"]
    """The ratio ours/lxcfs, or our own value in the row's unit."""
    comparison: Literal["≤", "≥", "<"]
    bound: float

    def met(self, spread: "Spread") -> bool:
        """Judged by the median of the rounds."""
        return _COMPARISONS[self.comparison](spread.median, self.bound)


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows that say the same thing about different files, readers or containers."""

    title: str
    unit: str
    target: Target | None = None


class Spread(NamedTuple):
    """Over the rounds."""

    median: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: each server's values, one per round."""

    kind: Kind
    name: str
    values: dict[str, list[float]] = field(default_factory=dict)

    def spread(self, server: str) -> Spread | None:
        """A server's values; None if it was not measured."""
        return _spread(self.values.get(server, []))

    def ratio(self, of: str = OURS) -> Spread | None:
        """Ours/lxcfs, round by round; None if either is missing or lxcfs' value is 0."""
        pairs = zip(self.values.get(of, []), self.values.get(LXCFS, []), strict=False)
        return _spread([ours / lxcfs for ours, lxcfs in pairs if lxcfs])

    def judged(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        if self.kind.target is None:
            return None
        spread = self.ratio() if self.kind.target.of == "ratio" else self.spread(OURS)
        return None if spread is None else self.kind.target.met(spread)


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread(median(values), min(values), max(values)) if values else None


class Results:
    """All rows, in the order in which they were first measured."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Kind, str], Row] = {}

    def add(self, kind: Kind, name: str, server: str, value: float) -> None:
        """One round's value."""
        row = self._rows.setdefault((kind, name), Row(kind, name))
        row.values.setdefault(server, []).append(value)

    @property
    def rows(self) -> list[Row]:
        """Rows of a kind together."""
        kinds = list(dict.fromkeys(kind for kind, _ in self._rows))
        return sorted(self._rows.values(), key=lambda row: kinds.index(row.kind))
