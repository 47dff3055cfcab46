"""The rules between files: a sound container, and one fault for each rule."""

import dataclasses
from collections.abc import Callable, Mapping

import pytest

from lxcfs_py.observe.answers import Texts
from lxcfs_py.observe.rules import verdicts

_CPUS = "sys/devices/system/cpu"
_BTIME = 1_700_000_000

_FILES = {
    "proc/meminfo": "MemTotal: 1000 kB\nMemFree: 400 kB\nMemAvailable: 600 kB\nBuffers: 0 kB\n"
    "Cached: 300 kB\nSwapTotal: 200 kB\nSwapFree: 150 kB\nActive: 200 kB\nShmem: 10 kB\n",
    "proc/swaps": "Filename Type Size Used Priority\nnone virtual 200 50 0\n",
    "proc/stat": "cpu  10 0 6 200 0\ncpu1 5 0 3 150 0\ncpu3 5 0 3 50 0\n"
    f"intr 0 0\nctxt 0\nbtime {_BTIME}\nprocesses 12\nprocs_running 1\nprocs_blocked 0\n",
    "proc/uptime": "60.00 2.00\n",
    "proc/loadavg": "0.10 0.05 0.01 1/7 12\n",
    "proc/cpuinfo": "processor\t: 1\nmodel\t: 9\n\nprocessor\t: 3\nmodel\t: 9\n\n",
    "proc/diskstats": "   8       0 sda 5 0 80 0 1 0 8 0 2 0 0\n",
    "proc/pressure/cpu": "some avg10=1.50 avg60=0.00 avg300=0.00 total=900\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=100\n",
    "proc/pressure/irq": "full avg10=0.00 avg60=0.00 avg300=0.00 total=100\n",
    f"{_CPUS}/online": "1,3\n",
    f"{_CPUS}/possible": "1,3\n",
    f"{_CPUS}/present": "1,3\n",
}
_SOUND = Texts(
    pid=4711,
    name="web",
    now=_BTIME + 1000.0,
    cpus_ever=2,
    files=_FILES,
    own=tuple(_FILES),
    directories=("cpu1", "cpu3", "cpufreq", "online"),
)


def _with(path: str, old: str, new: str) -> Texts:
    assert _FILES[path].count(old) == 1, f"{old!r} in {path}"
    return dataclasses.replace(_SOUND, files={**_FILES, path: _FILES[path].replace(old, new)})


def _failed(*readings: Texts) -> dict[str, str]:
    return {one.rule: one.numbers for one in verdicts(readings) if not one.holds}


def test_a_sound_container() -> None:
    found = verdicts([_SOUND, _SOUND])

    assert [verdict.rule for verdict in found if not verdict.holds] == []
    assert len(found) == 12


# Rule, numbers that must be told, and the fault.
_FAULTS: Mapping[str, tuple[str, Texts]] = {
    "the same CPUs in every file": ("possible 1-3", _with(f"{_CPUS}/possible", "1,3", "1-3")),
    "no part exceeds the memory": (
        "Active 1001 > MemTotal 1000",
        _with("proc/meminfo", "Active: 200", "Active: 1001"),
    ),
    "free and cached within the memory": (
        "MemFree 400 + Buffers 0 + Cached 700 > MemTotal 1000",
        _with("proc/meminfo", "Cached: 300", "Cached: 700"),
    ),
    "the same swap in meminfo and swaps": (
        "meminfo 50 of 200, swaps 60 of 200",
        _with("proc/swaps", "200 50", "200 60"),
    ),
    "the cpu line is the sum of its CPUs": (
        "cpu [11, 0, 6, 200, 0], its CPUs [10, 0, 6, 200, 0]",
        _with("proc/stat", "cpu  10", "cpu  11"),
    ),
    "the same idle time in uptime and stat": (
        "uptime 3.00 s, stat 2.00 s",
        _with("proc/uptime", "2.00", "3.00"),
    ),
    "idle within uptime x CPUs": (
        "idle 2.00 s > 0.90 s x 2 CPUs",
        _with("proc/uptime", "60.00", "0.90"),
    ),
    "started in the past": ("-2.00 s ago", dataclasses.replace(_SOUND, now=_BTIME + 58.0)),
    "the same threads in loadavg and stat": (
        "2 running of 7, newest 12; stat 1 running",
        _with("proc/loadavg", "1/7", "2/7"),
    ),
    "pressure within its bounds": (
        "cpu full total=901 > some total=900",
        _with("proc/pressure/cpu", "total=100", "total=901"),
    ),
    "nothing is below 0 or wraps": (
        "proc/meminfo: 18446744073709346016",
        _with("proc/meminfo", "Shmem: 10", "Shmem: 18446744073709346016"),
    ),
}


@pytest.mark.parametrize("rule", _FAULTS)
def test_every_rule_can_fail(rule: str) -> None:
    numbers, faulty = _FAULTS[rule]

    failed = _failed(faulty)

    assert numbers in failed[rule]
    others = {"no part exceeds the memory"} if "wraps" in rule else set()
    assert failed.keys() - others == {rule}


def test_no_rule_is_left_out_above() -> None:
    assert {verdict.rule for verdict in verdicts([_SOUND])} == _FAULTS.keys()


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        (_with(f"{_CPUS}/online", "1,3", "1"), "online 1,"),
        (_with("proc/cpuinfo", "processor\t: 3", "processor\t: 2"), "cpuinfo 1-2"),
        (_with("proc/stat", "cpu3 ", "cpu4 "), "stat 1,4"),
        (dataclasses.replace(_SOUND, directories=("cpu1",)), "cpuN 1"),
        (dataclasses.replace(_SOUND, directories=()), "cpuN none"),
    ],
)
def test_each_file_that_tells_of_cpus_is_compared(fault: Texts, numbers: str) -> None:
    assert numbers in _failed(fault)["the same CPUs in every file"]


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        (_with("proc/stat", "cpu1 5", "cpu1 4"), "stat cpu1[0] 5 -> 4"),
        (_with("proc/stat", "processes 12", "processes 11"), "stat processes[0] 12 -> 11"),
        (_with("proc/uptime", "60.00", "59.99"), "uptime 60 -> 59.99"),
        (_with("proc/uptime", "2.00", "1.99"), "uptime idle 2 -> 1.99"),
        (_with("proc/diskstats", " 80 ", " 79 "), "diskstats sda[2] 80 -> 79"),
        (_with("proc/pressure/irq", "total=100", "total=99"), "pressure irq full 100 -> 99"),
    ],
)
def test_counters_that_go_back(fault: Texts, numbers: str) -> None:
    assert _failed(_SOUND, fault)["no counter runs backwards"] == numbers


def test_io_in_flight_is_no_counter() -> None:
    assert _failed(_SOUND, _with("proc/diskstats", " 2 0 0", " 0 0 0")) == {}


def test_a_disk_that_is_new_or_gone_is_no_fault() -> None:
    without = dataclasses.replace(_SOUND, files={**_FILES, "proc/diskstats": ""})

    assert _failed(_SOUND, without) == {}
    assert _failed(without, _SOUND) == {}


@pytest.mark.parametrize("path", _FILES)
def test_a_file_that_the_host_has_not_is_not_judged(path: str) -> None:
    files = {name: text for name, text in _FILES.items() if name != path}
    texts = dataclasses.replace(_SOUND, files=files, own=tuple(files))

    assert _failed(texts, texts) == {}


@pytest.mark.parametrize(
    "damage", [lambda text: "", lambda text: text[: len(text) // 2], str.upper]
)
def test_a_text_that_is_damaged_is_a_fault_and_no_traceback(damage: Callable[[str], str]) -> None:
    files = {path: damage(text) for path, text in _FILES.items()}

    assert _failed(dataclasses.replace(_SOUND, files=files))


def test_the_hosts_own_text_need_not_agree_with_the_containers() -> None:
    """Where no cgroup tells them apart: a file of the host's counts all its CPUs and threads."""
    host_stat = _with("proc/stat", "procs_running 1", "procs_running 3")
    own = tuple(path for path in _FILES if path != "proc/stat")

    assert "the same threads in loadavg and stat" in _failed(host_stat)
    assert _failed(dataclasses.replace(host_stat, own=own)) == {}


def test_idle_time_of_cpus_that_are_no_longer_shown() -> None:
    more = _with("proc/uptime", "60.00", "0.90")

    assert _failed(dataclasses.replace(more, cpus_ever=4)) == {}
