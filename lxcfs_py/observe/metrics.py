"""The metrics, by prometheus-client: imported where `--metrics` is given, and only there.

Counters are the worker's, and begin anew with the next one (process_start_time_seconds tells);
rate() and increase() take that into account. How many workers there were is kept in a file.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from lxcfs_py import __version__
from lxcfs_py.observe.counting import FALLBACK, FILES, OK

_BUCKETS = (5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0)
"""Seconds: most reads take 20 to 300 us."""
_PAGE = os.sysconf("SC_PAGE_SIZE")

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """A meter for the reads, and what is looked up when somebody asks."""

    def __init__(
        self, containers: Callable[[], int], fallbacks: Callable[[], int], starts_file: str
    ) -> None:
        """`starts_file` is where the workers are counted; this one is counted now."""
        self._registry = CollectorRegistry()
        # An own counter for each name and result: labels() is dearer than counting.
        reads = Counter(
            "lxcfs_py_reads",
            "Reads of files, by result: ok, fallback (an earlier text, or the host's), or an error",
            ("file", "result"),
            registry=self._registry,
        )
        seconds = Histogram(
            "lxcfs_py_read_seconds",
            "How long reads took, from request to answer",
            ("file",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._labelled = reads.labels
        names = dict.fromkeys(FILES.values())
        self._reads = {
            (file, result): reads.labels(file, result)
            for file in names
            for result in (OK, FALLBACK)
        }
        self._seconds = {file: seconds.labels(file) for file in (*names, "?")}
        self._registry.register(_Looked(containers, fallbacks, _count_start(starts_file)))
        ProcessCollector(registry=self._registry)

    def add_read(self, file: str, result: str, seconds: float) -> None:
        """A read of a file was answered."""
        counter = self._reads.get((file, result))
        if counter is None:  # an error
            counter = self._reads[file, result] = self._labelled(file, result)
        counter.inc()
        self._seconds[file].observe(seconds)

    def text(self) -> bytes:
        """All of them, as they are now."""
        return generate_latest(self._registry)


class _Looked:
    """What is looked up when somebody asks."""

    def __init__(
        self, containers: Callable[[], int], fallbacks: Callable[[], int], starts: int
    ) -> None:
        self._containers = containers
        self._fallbacks = fallbacks
        self._starts = starts

    def collect(self) -> Iterable[Metric]:
        """The metrics."""
        yield GaugeMetricFamily(
            "lxcfs_py_containers", "Containers that are known", value=self._containers()
        )
        yield CounterMetricFamily(
            "lxcfs_py_fallbacks",
            "How often a cgroup could not be read",
            value=self._fallbacks(),
        )
        yield CounterMetricFamily(
            "lxcfs_py_worker_starts",
            "Workers that have served at this mount point since the machine was booted",
            value=self._starts,
        )
        memory = GaugeMetricFamily(
            "lxcfs_py_resident_memory_bytes", "Resident memory by process", labels=("process",)
        )
        for process, pid in _processes():
            with suppress(OSError):  # it has just ended
                memory.add_metric((process,), _resident(pid))
        yield memory
        version = GaugeMetricFamily("lxcfs_py_info", "The version that serves", labels=("version",))
        version.add_metric((__version__,), 1)
        yield version


def _processes() -> Iterator[tuple[str, int]]:
    template = os.getppid()
    yield "worker", os.getpid()
    yield "template", template
    with suppress(OSError), open(f"/proc/{template}/stat", "rb") as file:
        yield "supervisor", int(file.read().rpartition(b")")[2].split()[1])


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE


def _count_start(path: str) -> int:
    """One more worker; returns how many there were with it. The directory ends with a boot."""
    starts = 0
    with suppress(FileNotFoundError, ValueError), open(path) as file:
        starts = int(file.read(32))
    with suppress(OSError), open(f"{path}.new", "w") as file:
        file.write(f"{starts + 1}\n")
        file.close()
        os.rename(f"{path}.new", path)
    return starts + 1
