"""Lists of CPUs."""

import pytest

from lxcfs_py.kernel.cpulist import format_cpulist, parse_cpulist

_LISTS = [
    pytest.param(b"0\n", (0,), id="one"),
    pytest.param(b"0-3\n", (0, 1, 2, 3), id="range"),
    pytest.param(b"8-9,24-25\n", (8, 9, 24, 25), id="two-ranges"),
    pytest.param(b"0,2,4\n", (0, 2, 4), id="single-ones"),
    pytest.param(b"0-1,3,62-65\n", (0, 1, 3, 62, 63, 64, 65), id="across-a-word-of-64-bits"),
    pytest.param(b"\n", (), id="none"),
]


@pytest.mark.parametrize(("text", "cpus"), _LISTS)
def test_parse(text: bytes, cpus: tuple[int, ...]) -> None:
    assert parse_cpulist(text) == cpus


@pytest.mark.parametrize(("text", "cpus"), _LISTS)
def test_format(text: bytes, cpus: tuple[int, ...]) -> None:
    assert format_cpulist(cpus) == text


def test_two_neighbours_are_a_range() -> None:
    # bitmap_print_to_pagebuf() writes 0-1, never 0,1.
    assert format_cpulist((0, 1)) == b"0-1\n"


@pytest.mark.parametrize("text", [b"", b"0-1", b"1,0\n", b"0,0-1\n"])
def test_parse_does_not_insist_on_order_or_newline(text: bytes) -> None:
    assert parse_cpulist(text) in ((), (0, 1))


@pytest.mark.parametrize("text", [b"all\n", b"0-\x00\n", b"0x1\n"])
def test_what_is_not_a_list(text: bytes) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cpulist(text)


def test_many_cpus() -> None:
    assert format_cpulist(range(8192)) == b"0-8191\n"
    assert len(parse_cpulist(b"0-8191\n")) == 8192
