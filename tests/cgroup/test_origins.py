"""Which file a term comes from, and whose limit it is: on v1, on v2, at every level."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lxcfs_py.cgroup import CgroupReader, Descriptors, Hierarchies, Hierarchy
from lxcfs_py.cgroup.origins import Origin, origin_of
from lxcfs_py.cgroup.recording import Recording
from tests.support.cgroup_files import write_cgroups
from tests.support.kernel_text import MACHINES, hierarchies_of, membership_of, root_of
from tests.support.limited import MEMORY_MAX

_MIB = 1 << 20
_NO_LIMIT = "9223372036854771712"
_STAT_V1 = "cache 1\nanon 0\ntotal_cache 4096\nhierarchical_memory_limit {}\n"


def _v1_memory(limit: str, least: int) -> dict[str, str]:
    return {
        "memory.usage_in_bytes": "1\n",
        "memory.limit_in_bytes": f"{limit}\n",
        "memory.stat": _STAT_V1.format(least) + f"hierarchical_memsw_limit {_NO_LIMIT}\n",
    }


Recorded = tuple[CgroupReader, Recording]


def _reader(at: Path, version: int, key: str, paths: dict[str, dict[str, str]]) -> Recorded:
    """A reader of the last of the cgroups, and what it reads."""
    write_cgroups(at, paths)
    hierarchy = Hierarchy(key, version, str(at), frozenset((key or "memory cpu").split()))
    recording = Recording()
    membership = {key: list(paths)[-1]}
    hierarchies = Hierarchies({key: hierarchy})
    return CgroupReader(hierarchies, membership, Descriptors(), recording.open_lineage), recording


def _origin(recorded: Recorded, ask: Callable[[CgroupReader], object], term: str) -> Origin:
    reader, recording = recorded
    ask(reader)
    origin = origin_of(term, "proc/meminfo", recording.reads)
    reader.close()
    assert origin is not None
    return origin


@pytest.mark.parametrize(
    ("limits", "path", "note"),
    [
        (("max", "100"), "a/b/memory.max", "tightest of 2 levels"),
        (("100", "max"), "a/memory.max", "tightest of 2 levels, set above the container's cgroup"),
        (("100", "200"), "a/memory.max", "tightest of 2 levels, set above the container's cgroup"),
        (("200", "100"), "a/b/memory.max", "tightest of 2 levels"),
        (("100", "100"), "a/b/memory.max", "tightest of 2 levels"),
        (("max", "max"), "a/b/memory.max", "no limit in 2 levels"),
    ],
)
def test_the_level_whose_limit_holds(
    tmp_path: Path, limits: tuple[str, str], path: str, note: str
) -> None:
    def files(limit: str) -> dict[str, str]:
        return {"memory.max": f"{limit}\n", "memory.current": "5\n", "memory.stat": "file 1\n"}

    above, own = limits
    reader = _reader(tmp_path, 2, "", {"/a": files(above), "/a/b": files(own)})

    origin = _origin(reader, CgroupReader.memory, "memory.max")

    assert (origin.path, origin.note) == (f"{tmp_path}/{path}", note)


def test_on_v1_the_level_is_looked_for_although_the_kernel_gives_the_minimum(
    tmp_path: Path,
) -> None:
    least = 64 * _MIB
    groups = {"/a": _v1_memory(str(least), least), "/a/b": _v1_memory(_NO_LIMIT, least)}

    origin = _origin(_reader(tmp_path, 1, "memory", groups), CgroupReader.memory, "memory.max")

    assert origin.path == f"{tmp_path}/a/memory.limit_in_bytes"
    assert origin.text == str(least)
    assert origin.note == "tightest of 2 levels, set above the container's cgroup"


@pytest.mark.parametrize(
    ("term", "text", "note"),
    [
        ("memory.stat.file", "total_cache 4096", ""),
        ("memory.stat.anon", "anon 0", ""),
        ("memory.stat.slab", "", "not counted there"),
    ],
)
def test_on_v1_the_line_is_the_one_that_counts_descendants(
    tmp_path: Path, term: str, text: str, note: str
) -> None:
    reader = _reader(tmp_path, 1, "memory", {"/a": _v1_memory("1", 1)})

    origin = _origin(reader, CgroupReader.memory, term)

    assert origin == Origin(f"{tmp_path}/a/memory.stat", text, note)


@pytest.mark.parametrize(
    ("version", "key", "above", "own", "name"),
    [
        (2, "", {"cpu.max": "50000 100000\n"}, {"cpu.max": "max 100000\n"}, "cpu.max"),
        (2, "", {"cpu.max": "50000 100000\n"}, {"cpu.max": "100000 50000\n"}, "cpu.max"),
        (
            1,
            "cpu",
            {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"},
            {"cpu.cfs_quota_us": "30000\n", "cpu.cfs_period_us": "10000\n"},
            "cpu.cfs_quota_us",
        ),
        (
            1,
            "cpu",
            {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"},
            {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"},
            "cpu.cfs_quota_us",
        ),
    ],
)
def test_quotas_are_compared_with_their_periods(
    tmp_path: Path,
    version: int,
    key: str,
    above: dict[str, str],
    own: dict[str, str],
    name: str,
) -> None:
    reader = _reader(tmp_path, version, key, {"/a": above, "/a/b": own})

    assert _origin(reader, CgroupReader.quota, "cpus.quota").path == f"{tmp_path}/a/{name}"


_ASK: dict[str, Callable[[CgroupReader], object]] = {
    "memory.current": CgroupReader.memory,
    "memory.max": CgroupReader.memory,
    "memory.stat.file": CgroupReader.memory,
    "cpus.quota": CgroupReader.quota,
    "cpus.mask": CgroupReader.mask,
    "cpu0.user": CgroupReader.cpu_usage,
    "pressure.some.total": lambda reader: reader.pressure("memory"),
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("term", _ASK)
def test_every_term_is_found_on_real_kernels(machine: str, term: str, tmp_path: Path) -> None:
    recording = Recording()
    reader = CgroupReader(
        hierarchies_of(machine, tmp_path),
        membership_of(machine),
        Descriptors(),
        recording.open_lineage,
    )
    _ASK[term](reader)
    reader.close()

    origin = origin_of(term, "proc/meminfo", recording.reads)

    assert origin is not None
    path = Path(origin.path)
    assert path.is_relative_to(root_of(machine))
    assert origin.text.removesuffix("...") in " ".join(path.read_text().split())
    if term == "memory.max":
        assert int(origin.text) == MEMORY_MAX
        assert origin.note.endswith("set above the container's cgroup")


def test_what_was_not_read_has_no_origin() -> None:
    assert origin_of("memory.max", "proc/meminfo", []) is None
    assert origin_of("age", "proc/uptime", []) is None
