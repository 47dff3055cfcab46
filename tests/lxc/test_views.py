"""What programs in LXC containers show: their own container's numbers."""

import re
from pathlib import Path

from tests.lxc.containers import Container
from tests.lxc.place import Place
from tests.support.daemon import Daemon
from tests.support.waiting import wait_until

_MIB = 1 << 20


def _memory(container: Container) -> int:
    """`total` of free, in bytes."""
    return int(container.run("free", "-b").split("Mem:")[1].split()[0])


def _top_memory(screen: str) -> dict[str, float]:
    """The words of top's `MiB Mem` line, in MiB."""
    line = next(line for line in screen.splitlines() if line.startswith("MiB Mem"))
    return {name: float(value) for value, name in re.findall(r"([\d.]+) (\w+)", line)}


def _check_views(container: Container, *, memory: int) -> None:
    """Everything that a container limited to `memory` and to CPU 0 must say."""
    assert _memory(container) == memory
    assert container.run("nproc", "--all") == "1\n"
    assert re.findall(r"^cpu\d+", container.run("cat", "/proc/stat"), re.M) == ["cpu0"]
    assert float(container.run("cat", "/proc/uptime").split()[0]) < 60
    assert re.search(r" up 0 min,", container.run("uptime"))
    assert _top_memory(container.run("top", "-b", "-n1"))["total"] == memory / _MIB


def test_a_privileged_container_sees_its_own(privileged: Container) -> None:
    _check_views(privileged, memory=512 * _MIB)


def test_an_unprivileged_container_sees_its_own(unprivileged: Container) -> None:
    assert unprivileged.run("cat", "/proc/self/uid_map").split() == ["0", "100000", "65536"]
    _check_views(unprivileged, memory=256 * _MIB)


def test_a_nested_container_sees_its_own(place: Place, daemon: Daemon) -> None:
    outer = place.outer(daemon.mountpoint)
    inner = place.nested(outer)

    with outer.running(), inner.running():
        _check_views(outer, memory=512 * _MIB)
        _check_views(inner, memory=256 * _MIB)


def test_containers_side_by_side_see_different_memory(place: Place, daemon: Daemon) -> None:
    first = place.container(daemon.mountpoint, memory="128M")
    second = place.container(daemon.mountpoint, memory="384M")

    with first.running(), second.running():
        assert (_memory(first), _memory(second)) == (128 * _MIB, 384 * _MIB)


def test_a_top_that_goes_on_shows_fresh_numbers(privileged: Container, place: Place) -> None:
    screens, errors = place.directory / "top", place.directory / "perl"

    with privileged.spawned("top", "-b", "-d", "0.2", output=screens):
        before = wait_until(lambda: _last_used(screens), "top shows a screen")
        with privileged.spawned("perl", "-e", "$x = 'x' x (150 << 20); sleep", output=errors):
            wait_until(
                lambda: _last_used(screens) >= before + 100,
                f"top shows 100 MiB more than {before} MiB",
            )


def _last_used(screens: Path) -> float:
    """`used` on the last screen that top has written, in MiB; 0 while there is none."""
    whole_lines = screens.read_text().rpartition("\n")[0]
    start = whole_lines.rfind("MiB Mem")
    return 0 if start < 0 else _top_memory(whole_lines[start:])["used"]
