"""Pressure triggers, as psi_write() and psi_trigger_create() read them."""

import pytest

from lxcfs_py.kernel.pressure import Trigger, parse_trigger


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        pytest.param(b"some 150000 1000000\n", Trigger(b"some", 150_000, 1_000_000), id="newline"),
        pytest.param(b"full 50000 1000000\0", Trigger(b"full", 50_000, 1_000_000), id="nul"),
        pytest.param(
            b"some 50000 2000000", Trigger(b"some", 50_000, 200_000), id="last-digit-is-lost"
        ),
        pytest.param(b"some 1 10000000\n", Trigger(b"some", 1, 10_000_000), id="longest-window"),
        pytest.param(b"some 7 7\n", Trigger(b"some", 7, 7), id="threshold-is-the-window"),
        pytest.param(b"some150000\t1000000\n", Trigger(b"some", 150_000, 1_000_000), id="no-blank"),
        pytest.param(b"some 5 60 and more\n", Trigger(b"some", 5, 60), id="what-follows"),
        pytest.param(b"some 5 60\0\0\0\0\n", Trigger(b"some", 5, 60), id="padded"),
        pytest.param(
            b"some 4294967297 1000000\n", Trigger(b"some", 1, 1_000_000), id="low-32-bits"
        ),
        pytest.param(
            b"some         100000      1000000\n",
            Trigger(b"some", 100_000, 100_000),
            id="32nd-byte-is-lost",
        ),
    ],
)
def test_a_trigger(text: bytes, trigger: Trigger) -> None:
    assert parse_trigger(text) == trigger


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n", id="newline-only"),
        pytest.param(b"some\n", id="no-numbers"),
        pytest.param(b"some 150000\n", id="one-number"),
        pytest.param(b"some 150000 1000000", id="lost-digit-makes-the-window-too-short"),
        pytest.param(b"most 150000 1000000\n", id="neither-some-nor-full"),
        pytest.param(b" some 150000 1000000\n", id="blank-before"),
        pytest.param(b"SOME 150000 1000000\n", id="upper-case"),
        pytest.param(b"some -1 1000000\n", id="negative"),
        pytest.param(b"some +1 1000000\n", id="sign"),
        pytest.param(b"some 0x10 1000000\n", id="hexadecimal"),
        pytest.param(b"some 0 1000000\n", id="threshold-0"),
        pytest.param(b"some 0 0\n", id="window-0"),
        pytest.param(b"some 1 10000001\n", id="window-above-10-s"),
        pytest.param(b"some 1000001 1000000\n", id="threshold-above-the-window"),
        pytest.param(b"some 150000 1_000_000\n", id="underscores-are-pythons"),
    ],
)
def test_what_the_kernel_answers_einval(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"trigger|threshold"):
        parse_trigger(text)
