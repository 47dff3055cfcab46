"""Golden texts: tests/files/golden/<file>/<case>/{inputs.toml,host,expected}.

`inputs.toml` says what the container has, in the words of resources.py; its comment says what is
special and how the expected numbers come about. `host` is the host's text, if it is not one of
tests/kernel_text (`machine = "6.1-v2"`). `expected` was worked out by hand from the rules, not
recorded. A case's name is what is special about it.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lxcfs_py.cpu_view import view_of
from lxcfs_py.files import VIRTUAL_FILES, AnyVirtualFile
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.resources import (
    CpuTicks,
    CpuView,
    DeviceIo,
    Hugetlb,
    LoadAverages,
    Memory,
    Overcommit,
    Swap,
    Threads,
)
from tests.support.kernel_text import text_of
from tests.support.sources import FakeSources

_GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(str(path.parent.relative_to(_GOLDEN)) for path in _GOLDEN.glob("*/*/inputs.toml"))
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

Toml = Mapping[str, Any]  # checked by what is built of it


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    file, sources, expected = golden_case(case)

    assert file.text(sources) == expected


def golden_case(case: str) -> tuple[AnyVirtualFile, FakeSources, bytes]:
    """The file of a case, what the container has, and the expected text."""
    directory = _GOLDEN / case
    inputs = tomllib.loads((directory / "inputs.toml").read_text())
    file = _file_called(inputs.get("path") or case.split("/")[0])
    return file, _sources(inputs, directory, file), (directory / "expected").read_bytes()


def test_every_file_has_a_case() -> None:
    served = {file.path.rpartition("/")[2] for file in VIRTUAL_FILES}

    # Four files are about pressure, and five are lists of CPUs.
    assert {case.split("/")[0] for case in CASES} >= served - {
        *("cpu", "memory", "io", "irq", "possible", "present", "offline", "isolated")
    }


def _file_called(name: str) -> AnyVirtualFile:
    (file,) = (file for file in VIRTUAL_FILES if name in (file.path, file.path.split("/")[-1]))
    return file


def _sources(inputs: Toml, directory: Path, file: AnyVirtualFile) -> FakeSources:
    sources = FakeSources(_host(inputs, directory, file))
    sources.memory_is = _memory(inputs.get("memory"))
    sources.swap_is = _swap(inputs.get("swap"))
    sources.hugetlb_is = {
        int(size): Hugetlb(_bytes(one["current"]), _limit(one["max"]))
        for size, one in inputs.get("hugetlb", {}).items()
    }
    sources.overcommit_is = Overcommit(**inputs.get("overcommit", {"ratio": 50, "kbytes": 0}))
    sources.cpus_are = _cpus(inputs.get("cpus"))
    if "ticks" in inputs:
        sources.ticks_are = [CpuTicks(*row) for row in inputs["ticks"]]
    sources.age_is = inputs.get("age")
    sources.io_is = _io(inputs.get("io"))
    sources.pressure_is = {key: text.encode() for key, text in inputs.get("pressure", {}).items()}
    if "slabinfo" in inputs:
        sources.slabinfo_is = inputs["slabinfo"].encode()
    if "threads" in inputs:
        sources.threads_are = Threads(**inputs["threads"])
    sources.load_is = LoadAverages(*inputs.get("load", ()))
    return sources


def _host(inputs: Toml, directory: Path, file: AnyVirtualFile) -> dict[str, bytes]:
    path = "proc/meminfo" if file.path == "proc/swaps" and "swap" in inputs else file.path
    if "machine" in inputs:
        return {path: text_of(inputs["machine"], path)}
    return {path: (directory / "host").read_bytes()}


def _memory(given: Toml | None) -> Memory | None:
    if given is None:
        return None
    return Memory(
        current=_bytes(given["current"]),
        effective_max=_limit(given["max"]),
        stat={key.encode(): _bytes(value) for key, value in given.get("stat", {}).items()},
    )


def _swap(given: Toml | None) -> Swap | None:
    if given is None:
        return None
    return Swap(
        _bytes(given["current"]), _limit(given["max"]), never_used=given.get("never_used", False)
    )


def _cpus(given: Toml | None) -> CpuView | None:
    if given is None:
        return None
    return view_of(
        online=parse_cpulist(given["online"].encode()),
        mask=parse_cpulist(given["mask"].encode()) if "mask" in given else None,
        quota=given.get("quota"),
        by_quota=given.get("by_quota", True),
        compact=given.get("compact", False),
    )


def _io(given: Toml | None) -> dict[tuple[int, int], DeviceIo] | None:
    if given is None:
        return None
    devices = {}
    for device, counters in given.items():
        major, minor = map(int, device.split(":"))
        devices[major, minor] = DeviceIo(**{key: _bytes(n) for key, n in counters.items()})
    return devices


def _limit(value: int | str) -> int | None:
    return None if value == "max" else _bytes(value)


def _bytes(value: int | str) -> int:
    """`"256M"`, or the number itself."""
    if isinstance(value, int):
        return value
    return int(float(value[:-1]) * _SIZES[value[-1]]) if value[-1] in _SIZES else int(value)
