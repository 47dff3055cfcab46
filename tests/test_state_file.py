"""Memory that outlives its writer."""

from pathlib import Path

import pytest

from lxcfs_py.state_file import Key, StateFile

_A, _B, _C = Key(101, 5000), Key(102, 6000), Key(0, 7777)
_SIZE = 16


class Died(Exception):
    """The writer, in the middle of a write."""


class _Mortal(StateFile):
    """Dies after so many bytes."""

    bytes_left: int | None = None

    def _store(self, offset: int, data: bytes) -> None:
        for position in range(len(data)):
            if self.bytes_left is not None:
                if self.bytes_left == 0:
                    raise Died
                self.bytes_left -= 1
            super()._store(offset + position, data[position : position + 1])


def _open(directory: Path, *, slots: int = 4, layout: int = 1, size: int = _SIZE) -> _Mortal:
    return _Mortal(str(directory / "state"), layout=layout, record_size=size, slots=slots)


def _record(letter: str) -> bytes:
    return letter.encode() * _SIZE


def test_records_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    state = _open(tmp_path)
    state.write(_A, _record("a"))
    state.write(_B, _record("b"))
    state.write(_A, _record("A"))
    state.close()

    again = _open(tmp_path)
    assert set(again.kept()) == {_A, _B}
    assert again.read(_A) == _record("A")
    assert again.read(_B) == _record("b")
    assert again.read(_C) is None
    again.close()


def test_an_overwritten_record_is_whole_wherever_the_writer_dies(tmp_path: Path) -> None:
    outcomes = set()
    for cut in range(_SIZE + 2):
        directory = tmp_path / str(cut)
        directory.mkdir()
        state = _open(directory)
        state.write(_B, _record("b"))
        state.write(_A, _record("1"))
        state.write(_A, _record("2"))
        state.bytes_left = cut
        if cut <= _SIZE:
            with pytest.raises(Died):
                state.write(_A, _record("3"))
        else:
            state.write(_A, _record("3"))
        state.close()

        again = _open(directory)
        outcomes.add(again.read(_A))
        assert set(again.kept()) == {_A, _B}
        assert again.read(_B) == _record("b")
        again.close()
    assert outcomes == {_record("2"), _record("3")}


def test_a_new_record_is_whole_or_not_there(tmp_path: Path) -> None:
    header = 24
    for cut in range(header + _SIZE + 1):
        directory = tmp_path / str(cut)
        directory.mkdir()
        state = _open(directory)
        state.write(_B, _record("b"))
        state.bytes_left = cut
        with pytest.raises(Died):
            state.write(_A, _record("a"))
        state.close()

        again = _open(directory)
        assert set(again.kept()) == {_B}
        assert again.read(_B) == _record("b")
        again.write(_A, _record("a"))
        assert again.read(_A) == _record("a")
        again.close()


def test_a_slot_that_is_used_again_never_has_the_earlier_record(tmp_path: Path) -> None:
    """Its earlier user's key and record are still in it when the writer dies."""
    state = _open(tmp_path, slots=1)
    state.write(_A, _record("a"))
    state.drop(_A)
    state.bytes_left = 8
    with pytest.raises(Died):
        state.write(_B, _record("b"))
    state.close()

    again = _open(tmp_path, slots=1)
    assert list(again.kept()) == []
    again.close()


def test_without_a_free_slot_nothing_is_kept(tmp_path: Path) -> None:
    state = _open(tmp_path, slots=2)
    for key in (_A, _B, _C):
        state.write(key, _record("x"))

    assert set(state.kept()) == {_A, _B}
    assert state.read(_C) is None
    state.close()


def test_dropped_slots_are_used_again(tmp_path: Path) -> None:
    state = _open(tmp_path, slots=2)
    for number in range(1, 100):
        key = Key(number, number)
        state.write(key, _record("x"))
        assert state.read(key) == _record("x")
        state.drop(key)
    state.drop(_A)

    assert list(state.kept()) == []
    state.close()


def test_what_another_layout_has_left_is_dropped(tmp_path: Path) -> None:
    state = _open(tmp_path, layout=1)
    state.write(_A, _record("a"))
    state.close()

    newer = _open(tmp_path, layout=2)
    assert list(newer.kept()) == []
    newer.close()


def test_what_another_number_of_cpus_has_left_is_dropped(tmp_path: Path) -> None:
    state = _open(tmp_path)
    state.write(_A, _record("a"))
    state.close()

    larger = _open(tmp_path, size=_SIZE * 2)
    assert list(larger.kept()) == []
    larger.close()


def test_what_another_boot_has_left_is_dropped(tmp_path: Path) -> None:
    state = _open(tmp_path)
    state.write(_A, _record("a"))
    state.close()
    path = tmp_path / "state"
    text = path.read_bytes()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    path.write_bytes(text.replace(boot_id, b"0" * len(boot_id)))

    rebooted = _open(tmp_path)
    assert list(rebooted.kept()) == []
    rebooted.close()


@pytest.mark.parametrize("size", [0, 10, 64, 4096, 4100])
def test_a_file_that_was_cut_is_made_anew(tmp_path: Path, size: int) -> None:
    state = _open(tmp_path)
    state.write(_A, _record("a"))
    state.close()
    path = tmp_path / "state"
    path.write_bytes(path.read_bytes()[:size])

    again = _open(tmp_path)
    assert list(again.kept()) == []
    again.write(_B, _record("b"))
    assert again.read(_B) == _record("b")
    again.close()


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("text")
    (tmp_path / "state").symlink_to("precious")

    with pytest.raises(OSError, match="symbolic links"):
        _open(tmp_path)
    assert (tmp_path / "precious").read_text() == "text"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    _open(tmp_path).close()

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600


def test_unused_slots_take_no_room(tmp_path: Path) -> None:
    state = _open(tmp_path, slots=8192, size=8192)
    state.close()

    assert (tmp_path / "state").stat().st_blocks * 512 < 1 << 20


def test_many_records_are_found_again_wherever_the_writer_dies(tmp_path: Path) -> None:
    state = _open(tmp_path, slots=3000)
    keys = [Key(pid, 1) for pid in range(1, 1001)]
    for key in keys:
        state.write(key, _record("a"))
    state.bytes_left = 20
    with pytest.raises(Died):
        state.write(_C, _record("c"))

    again = _open(tmp_path, slots=3000)

    assert set(again.kept()) == set(keys)
    for pid in range(2001, 4001):
        again.write(Key(pid, 2), _record("b"))
    assert len(list(again.kept())) == 3000
    assert len(list(_open(tmp_path, slots=3000).kept())) == 3000
