"""The lines of /proc/stat."""

import pytest

from lxcfs_py.kernel.proc_stat import (
    count_cpu_columns,
    format_cpu_line,
    other_lines,
    with_zeros,
)

_STAT = (
    b"cpu  42331 25412 78171 451008 2868 0 639 421 0 0\n"
    b"cpu0 10729 11527 36785 240138 719 0 87 196 0 0\n"
    b"intr 5207853 0 0\n"
    b"ctxt 12\n"
)


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        pytest.param(b"cpu  1 2 3 4 5 6 7\n", 7, id="no-steal"),
        pytest.param(b"cpu  1 2 3 4 5 6 7 8 9\n", 9, id="no-guest-nice"),
        pytest.param(b"cpu  1 2 3 4 5 6 7 8 9 10\n", 10, id="since-2.6.33"),
        pytest.param(b"cpu  1 2 3 4 5 6 7 8 9 10 11\n", 11, id="a-kernel-to-come"),
    ],
)
def test_columns_are_as_many_as_the_host_has(line: bytes, columns: int) -> None:
    assert count_cpu_columns(line + b"intr 1\n") == columns
    assert format_cpu_line(b"cpu ", (1, 2, 3, 4), columns).split() == [
        *(b"cpu", b"1", b"2", b"3", b"4"),
        *[b"0"] * (columns - 4),
    ]


def test_the_line_of_all_cpus_has_two_blanks() -> None:
    assert format_cpu_line(b"cpu ", (1, 2, 3, 4), 10) == b"cpu  1 2 3 4 0 0 0 0 0 0\n"
    assert format_cpu_line(b"cpu12", (1, 2, 3, 4), 10) == b"cpu12 1 2 3 4 0 0 0 0 0 0\n"


def test_the_other_lines_begin_after_the_last_cpu() -> None:
    assert other_lines(_STAT) == [b"intr 5207853 0 0", b"ctxt 12"]


@pytest.mark.parametrize(
    ("line", "zeros"),
    [
        pytest.param(b"ctxt 1990473", b"ctxt 0", id="one"),
        pytest.param(b"intr 5207853 1 0 99", b"intr 0 0 0 0", id="many"),
        pytest.param(b"softirq 5  6", b"softirq 0  0", id="blanks-stay"),
        pytest.param(b"page", b"page", id="none"),
    ],
)
def test_zeros_take_the_place_of_every_number(line: bytes, zeros: bytes) -> None:
    assert with_zeros(line) == zeros
