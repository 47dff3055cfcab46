"""The interface file formats of cgroup v2."""

import pytest

from lxcfs_py.kernel.formats import parse_flat_keyed, parse_nested_keyed, parse_single_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(b"0\n", 0, id="zero-is-a-limit"),
        pytest.param(b"268435456\n", 268435456, id="bytes"),
        pytest.param(b"max\n", None, id="max-is-none"),
        pytest.param(b"9223372036854771712\n", 9223372036854771712, id="64-bits"),
    ],
)
def test_a_single_value(text: bytes, value: int | None) -> None:
    assert parse_single_value(text) == value


@pytest.mark.parametrize("text", [b"", b"\n", b"maximum\n", b"1 2\n"])
def test_what_is_not_a_single_value(text: bytes) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_single_value(text)


def test_keys_that_begin_alike_are_not_mixed_up() -> None:
    stat = parse_flat_keyed(b"file 4096\nfile_mapped 8192\nfile_dirty 0\n")

    assert stat == {b"file": 4096, b"file_mapped": 8192, b"file_dirty": 0}


def test_an_empty_file_has_no_keys() -> None:
    assert parse_flat_keyed(b"") == {}
    assert parse_nested_keyed(b"") == {}


def test_half_a_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        parse_flat_keyed(b"usage_usec 12\nuser_usec")


def test_nested_keys() -> None:
    stat = parse_nested_keyed(b"8:0 rbytes=4096 wbytes=0 rios=1\n253:16 rbytes=0 cost.usage=17\n")

    assert stat == {
        b"8:0": {b"rbytes": b"4096", b"wbytes": b"0", b"rios": b"1"},
        b"253:16": {b"rbytes": b"0", b"cost.usage": b"17"},
    }


def test_a_device_without_statistics() -> None:
    # io.stat has such lines since Linux 5.x for devices that only a controller knows.
    assert parse_nested_keyed(b"7:0 \n8:0 rbytes=1\n")[b"7:0"] == {}
