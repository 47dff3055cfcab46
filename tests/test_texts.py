"""The texts that are being read, and their slots."""

from pathlib import Path

import pytest

from lxcfs_py.fuse.texts import Texts

_SLOTS = ((64, 3), (256, 1))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "texts")


def test_parts_of_a_text(path: str) -> None:
    texts = Texts(path, slots=_SLOTS)
    texts.put(1, b"0123456789")

    assert texts.get(1) == b"0123456789"
    assert texts.get(1, 3, 4) == b"3456"
    assert texts.get(1, 8, 100) == b"89"
    assert texts.get(1, 10, 1) == b""
    assert texts.get(1, 11, 1) == b""
    assert texts.get(2) is None


def test_the_next_worker_finds_them(path: str) -> None:
    before = Texts(path, slots=_SLOTS)
    for text in (b"old", b"older", b"last"):
        before.put(1, text)
    before.put(2, b"x" * 100)
    before.put(3, b"dropped")
    before.drop(3)

    after = Texts(path, slots=_SLOTS)
    assert [after.get(handle) for handle in (1, 2, 3)] == [b"last", b"x" * 100, None]


def test_of_two_texts_of_a_handle_the_later_counts(path: str) -> None:
    class Forgetful(Texts):
        def drop(self, handle: int) -> None:
            """As if it had died between writing the new text and freeing the old one."""

    before = Forgetful(path, slots=_SLOTS)
    before.put(1, b"first")
    before.put(1, b"second")

    after = Texts(path, slots=_SLOTS)
    assert after.get(1) == b"second"
    for handle in (2, 3):  # and the slot of the first is free again
        after.put(handle, b"other")
    assert after.get(1) == b"second"


def test_another_connections_texts_are_nobodys(path: str) -> None:
    Texts(path, layout=b"1", slots=_SLOTS).put(1, b"text")

    assert Texts(path, layout=b"2", slots=_SLOTS).get(1) is None


def test_when_all_slots_are_used_the_least_recently_read_gives_way(path: str) -> None:
    texts = Texts(path, slots=_SLOTS)
    for handle in (1, 2, 3):
        texts.put(handle, b"text")
    assert texts.get(1) is not None  # its reader goes on
    texts.put(4, b"text")

    assert [handle in texts for handle in (1, 2, 3, 4)] == [True, False, True, True]


def test_a_text_that_fits_no_slot_is_not_kept(path: str) -> None:
    texts = Texts(path, slots=_SLOTS)
    texts.put(1, b"small")
    texts.put(1, b"x" * 1000)

    assert texts.get(1) is None
