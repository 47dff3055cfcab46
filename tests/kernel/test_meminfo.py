"""The lines of /proc/meminfo."""

import pytest

from lxcfs_py.kernel.meminfo import format_meminfo, layout_of, parse_meminfo
from tests.support.kernel_text import MACHINES, text_of


def _format(host: bytes, **values: int) -> bytes:
    return format_meminfo(layout_of(host), {k.encode(): v for k, v in values.items()})


def test_numbers_are_found_by_label() -> None:
    host = b"MemTotal:       24684084 kB\nActive(anon):       1708 kB\nHugePages_Total:       3\n"

    assert parse_meminfo(host) == {
        b"MemTotal": 24684084,
        b"Active(anon)": 1708,
        b"HugePages_Total": 3,
    }


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"MemTotal:       24684084 kB\n", id="eight-digits-fill-the-column"),
        pytest.param(b"MemTotal:       131072000 kB\n", id="nine-digits-shift-it"),
        pytest.param(b"VmallocTotal:   34359738367 kB\n", id="eleven-digits"),
        pytest.param(b"Inactive(file):   417700 kB\n", id="parentheses"),
        pytest.param(b"ShmemPmdMapped:        0 kB\n", id="label-of-15-columns"),
        pytest.param(b"HugePages_Total:       0\n", id="a-count-has-no-unit"),
        pytest.param(b"HugePages_Free:    100000\n", id="counts-have-five-columns"),
        pytest.param(b"HardwareCorrupted:     0 kB\n", id="label-of-18-columns"),
        pytest.param(b"EarlyMemtestBad:       0 kB\n", id="written-by-memtest"),
        pytest.param(b"DirectMap1G:    25165824 kB\n", id="a-digit-in-the-label"),
    ],
)
def test_a_line_is_laid_out_as_the_kernel_lays_it_out(line: bytes) -> None:
    host = b"MemFree:               1 kB\n" + line

    assert format_meminfo(layout_of(host), parse_meminfo(host)) == host


def test_shorter_numbers_stay_in_their_column() -> None:
    host = b"MemTotal:       131072000 kB\nHugePages_Total:   100000\n"

    text = _format(host, MemTotal=262144, HugePages_Total=7)

    assert text == b"MemTotal:         262144 kB\nHugePages_Total:       7\n"


def test_a_label_without_a_value_is_0() -> None:
    assert _format(b"GPUActive:        812340 kB\n") == b"GPUActive:             0 kB\n"


def test_a_line_in_another_form_keeps_its_label_and_loses_the_rest() -> None:
    host = b"MemTotal:           1024 kB\nNewThing:             17 MB of 99\nNoNumber\n"

    assert parse_meminfo(host)[b"NewThing"] == 17
    assert _format(host, MemTotal=1) == (b"MemTotal:              1 kB\nNewThing:              0\n")


def test_hosts_with_other_lines_have_other_layouts() -> None:
    one = layout_of(b"MemTotal:              1 kB\nZswap:                 0 kB\n")
    other = layout_of(b"MemTotal:              1 kB\n")

    assert one.labels == (b"MemTotal", b"Zswap")
    assert other.labels == (b"MemTotal",)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_captured_file_is_reproduced_to_the_byte(machine: str) -> None:
    host = text_of(machine, "proc/meminfo")

    assert format_meminfo(layout_of(host), parse_meminfo(host)) == host
