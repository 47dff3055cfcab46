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
    spaced_seconds: float
    """One reader on all files, with pauses."""
    mix_seconds: float
    """Several readers on all files."""
    large_seconds: float
    """One reader on one file in a large container."""
    scale_rounds: int
    scale_steps: Sequence[int]
    """Containers."""
    scale_reads: int
    """At each step."""
    idle_seconds: float
    """A multiple of the 5 s between two samples of the load average."""
    starts: int
    loadavg_seconds: float
    """A multiple of 5 s, too."""


FULL = Plan(
    rounds=9,
    file_seconds=0.5,
    spaced_seconds=4.0,
    mix_seconds=2.0,
    large_seconds=0.3,
    scale_rounds=5,
    scale_steps=(1, 100, 1000),
    scale_reads=24_000,
    idle_seconds=20.0,
    starts=7,
    loadavg_seconds=30.0,
)

QUICK = Plan(
    rounds=3,
    file_seconds=0.1,
    spaced_seconds=1.6,
    mix_seconds=0.3,
    large_seconds=0.1,
    scale_rounds=1,
    scale_steps=(1, 1000),
    scale_reads=8_000,
    idle_seconds=5.0,
    starts=3,
    loadavg_seconds=10.0,
)
