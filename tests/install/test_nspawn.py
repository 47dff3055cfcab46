"""`install nspawn:MACHINE`: lines in settings that may be somebody else's."""

from pathlib import Path

import pytest

from lxcfs_py.cli import main

_SETTINGS = "etc/systemd/nspawn/web.nspawn"
_THEIRS = "[Exec]\nBoot=yes\n\n[Files]\nBind=/srv/web\n"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings of the machine web that were there before."""
    path = tmp_path / _SETTINGS
    path.parent.mkdir(parents=True)
    path.write_text(_THEIRS)
    return path


def _run(*words: str, root: Path) -> int:
    return main([*words, "--root", str(root)])


@pytest.mark.parametrize("theirs", [_THEIRS, _THEIRS.rstrip("\n"), "", "\n"])
def test_what_was_there_comes_back_byte_for_byte(
    tmp_path: Path, settings: Path, theirs: str
) -> None:
    settings.write_text(theirs)
    _run("install", "nspawn:web", root=tmp_path)
    assert settings.read_text().startswith(theirs)
    assert "\nBindReadOnly=/run/lxcfs-py-host/proc/meminfo:/proc/meminfo\n" in settings.read_text()
    _run("uninstall", "nspawn:web", root=tmp_path)

    assert settings.read_text() == theirs


def test_what_was_edited_since_stays(tmp_path: Path, settings: Path) -> None:
    _run("install", "nspawn:web", root=tmp_path)
    settings.write_text(f"# mine\n{settings.read_text()}[Network]\nPrivate=yes\n")
    _run("uninstall", "nspawn:web", root=tmp_path)

    assert settings.read_text() == f"# mine\n{_THEIRS}[Network]\nPrivate=yes\n"


def test_a_second_install_replaces_the_lines_of_the_first(tmp_path: Path, settings: Path) -> None:
    _run("install", "nspawn:web", root=tmp_path)
    _run("install", "nspawn:web", "--mountpoint", "/run/a:b", root=tmp_path)
    text = settings.read_text()

    assert text.count("[Files]") == 2
    assert "BindReadOnly=/run/a\\:b/proc:/run/lxcfs-py-host/proc\n" in text
    assert "/var/lib/lxcfs" not in text


def test_a_machine_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("install", "nspawn:web", "nspawn:db.example", root=tmp_path)
    _run("uninstall", "nspawn:web", root=tmp_path)
    capsys.readouterr()
    _run("install", "--list", root=tmp_path)

    assert not (tmp_path / _SETTINGS).exists()
    assert (tmp_path / "etc/systemd/nspawn/db.example.nspawn").exists()
    assert capsys.readouterr().out.splitlines()[-1] == (
        "nspawn:db.example installed; nspawn not found here"
    )


def test_lines_without_an_end_are_left_to_a_person(
    tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run("install", "nspawn:web", root=tmp_path)
    settings.write_text("".join(settings.read_text().splitlines(keepends=True)[:-1]))

    assert _run("uninstall", "nspawn:web", root=tmp_path) == 1
    assert capsys.readouterr().err == (
        f"lxcfs-py: {settings}: the end of our lines is missing; remove them by hand\n"
    )


@pytest.mark.parametrize("name", ["nspawn", "nspawn:", "nspawn:a/b", "nspawn:..", "lxc:a"])
def test_it_takes_the_name_of_a_machine(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        _run("install", name, root=tmp_path)

    assert stopped.value.code == 2
