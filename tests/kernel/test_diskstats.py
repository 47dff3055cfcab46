"""Rows of /proc/diskstats."""

import pytest

from lxcfs_py.kernel.diskstats import Row, format_row, parse_rows


@pytest.mark.parametrize(
    ("columns", "numbers"),
    [
        pytest.param(11, b"1 0 8 0 2 0 16 0 0 0 0", id="before-discards"),
        pytest.param(15, b"1 0 8 0 2 0 16 0 0 0 0 3 0 24 0", id="discards-v4.18"),
        pytest.param(17, b"1 0 8 0 2 0 16 0 0 0 0 3 0 24 0 0 0", id="flushes-v5.5"),
        pytest.param(18, b"1 0 8 0 2 0 16 0 0 0 0 3 0 24 0 0 0 0", id="a-kernel-to-come"),
    ],
)
def test_a_row_has_the_hosts_columns(columns: int, numbers: bytes) -> None:
    host = b"   8       1 sda1" + b" 9" * columns + b"\n"

    (row,) = parse_rows(host)
    text = format_row(
        row,
        reads=1,
        sectors_read=8,
        writes=2,
        sectors_written=16,
        discards=3,
        sectors_discarded=24,
    )

    assert row == Row((8, 1), b"sda1", columns)
    assert text == b"   8       1 sda1 " + numbers + b"\n"


@pytest.mark.parametrize(
    ("row", "head"),
    [
        (Row((8, 0), b"sda", 11), b"   8       0 sda "),
        (Row((253, 16), b"vdb", 11), b" 253      16 vdb "),
        (Row((259, 1048575), b"nvme0n1p9", 11), b" 259 1048575 nvme0n1p9 "),
        (Row((4095, 12345678), b"x", 11), b"4095 12345678 x "),
    ],
)
def test_device_numbers_are_right_aligned(row: Row, head: bytes) -> None:
    text = format_row(
        row, reads=0, sectors_read=0, writes=0, sectors_written=0, discards=0, sectors_discarded=0
    )

    assert text.startswith(head)
    assert parse_rows(text)[0] == row


def test_no_devices() -> None:
    assert parse_rows(b"") == ()
