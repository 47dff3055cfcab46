"""How long and how often: the full run, and the quick one."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds."""

    rounds: int
    """Of latency and throughput; the servers are started anew in each."""
    file_seconds: float
    """One reader on one file."""
    mix_seconds: float
    """Several readers on all files."""
    scale_rounds: int
    scale_steps: Sequence[int]
    """Containers."""
    scale_turns: int
    """Reads of each of the readers."""
    idle_seconds: float
    """A multiple of the 5 s between two samples of the load average."""
    starts: int
    loadavg_seconds: float
    """A multiple of 5 s, too."""


FULL = Plan(
    rounds=9,
    file_seconds=0.5,
    mix_seconds=2.0,
    scale_rounds=5,
    scale_steps=(1, 100, 1000),
    scale_turns=24,
    idle_seconds=20.0,
    starts=7,
    loadavg_seconds=30.0,
)

QUICK = Plan(
    rounds=3,
    file_seconds=0.1,
    mix_seconds=0.3,
    scale_rounds=1,
    scale_steps=(1, 1000),
    scale_turns=12,
    idle_seconds=5.0,
    starts=3,
    loadavg_seconds=10.0,
)
