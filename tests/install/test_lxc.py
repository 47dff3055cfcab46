"""`install lxc` and `uninstall lxc`, below a root directory of their own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxcfs_py.cli import main

_HOOK = "usr/share/lxcfs-py/lxc/mount.hook"
_DROP_INS = "usr/share/lxc/config/common.conf.d"
_CONF = f"{_DROP_INS}/00-lxcfs-py.conf"


@pytest.fixture
def narrow_umask() -> Iterator[None]:
    old = os.umask(0o077)
    yield
    os.umask(old)


def _files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_the_configuration_names_a_hook_that_is_there(tmp_path: Path) -> None:
    status = main(["install", "lxc", "--root", str(tmp_path)])

    values = [
        line.partition("= ")[2].split()[0]
        for line in (tmp_path / _CONF).read_text().splitlines()
        if not line.startswith("#")
    ]
    assert status == 0
    assert len(values) == 2
    assert all(os.access(tmp_path / value.lstrip("/"), os.X_OK) for value in values)


@pytest.mark.usefixtures("narrow_umask")
def test_others_can_run_the_hook_whatever_the_umask(tmp_path: Path) -> None:
    main(["install", "lxc", "--root", str(tmp_path)])

    hook = tmp_path / _HOOK
    assert hook.stat().st_mode & 0o777 == 0o755
    assert hook.parent.stat().st_mode & 0o777 == 0o755


def test_a_second_install_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["install", "lxc", "--root", str(tmp_path)])
    before = (tmp_path / _HOOK).stat().st_ino
    capsys.readouterr()
    main(["install", "lxc", "--root", str(tmp_path)])

    lines = capsys.readouterr().out.splitlines()
    assert all(line.endswith(": already in place") for line in lines)
    assert (tmp_path / _HOOK).stat().st_ino == before


def test_a_changed_hook_is_repaired(tmp_path: Path) -> None:
    main(["install", "lxc", "--root", str(tmp_path)])
    content = (tmp_path / _HOOK).read_bytes()
    (tmp_path / _HOOK).write_bytes(b"old")
    (tmp_path / _HOOK).chmod(0o600)
    main(["install", "lxc", "--root", str(tmp_path)])

    assert (tmp_path / _HOOK).read_bytes() == content
    assert (tmp_path / _HOOK).stat().st_mode & 0o777 == 0o755


def test_the_mount_point_is_filled_in(tmp_path: Path) -> None:
    main(["install", "lxc", "--root", str(tmp_path), "--mountpoint", "/run/views"])

    assert "mount.hook /run/views\n" in (tmp_path / _CONF).read_text()
    assert "\nserved=/run/views\n" in (tmp_path / _HOOK).read_text()


@pytest.mark.parametrize("mountpoint", ["relative", "/with space", "/x;y", "/x\ny", "/", ""])
def test_a_mount_point_that_needs_quotes_is_refused(tmp_path: Path, mountpoint: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["install", "lxc", "--root", str(tmp_path), "--mountpoint", mountpoint])

    assert stopped.value.code == 2
    assert _files(tmp_path) == set()


def test_a_dry_run_shows_the_difference_and_makes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["install", "lxc", "--root", str(tmp_path), "--dry-run"])
    difference = capsys.readouterr().out
    assert _files(tmp_path) == set()
    subprocess.run(["patch", "-p0", "-d", "/", "-s"], input=difference, text=True, check=True)
    patched = {name: (tmp_path / name).read_bytes() for name in _files(tmp_path)}
    main(["install", "lxc", "--root", str(tmp_path)])

    assert patched == {name: (tmp_path / name).read_bytes() for name in _files(tmp_path)}


def test_uninstall_leaves_everything_else(tmp_path: Path) -> None:
    others = {f"{_DROP_INS}/README", "usr/share/lxcfs-py/notes"}
    for name in others:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    main(["install", "lxc", "--root", str(tmp_path)])
    main(["uninstall", "lxc", "--root", str(tmp_path), "--dry-run"])
    assert _CONF in _files(tmp_path)
    main(["uninstall", "lxc", "--root", str(tmp_path)])

    assert _files(tmp_path) == others
    assert not (tmp_path / _HOOK).parent.exists()


def test_uninstall_of_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert main(["uninstall", "lxc", "--root", str(tmp_path)]) == 0


def test_the_hook_of_lxcfs_is_a_conflict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rival = tmp_path / _DROP_INS / "00-lxcfs.conf"
    rival.parent.mkdir(parents=True)
    rival.touch()
    status = main(["install", "lxc", "--root", str(tmp_path)])

    error = capsys.readouterr().err
    assert status == 1
    assert error.count("\n") == 1
    assert error.startswith(f"lxcfs-py: {rival}: ")
    assert _CONF not in _files(tmp_path)


def test_what_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "usr").touch()
    status = main(["install", "lxc", "--root", str(tmp_path)])

    output = capsys.readouterr()
    assert status == 1
    assert output.out == ""
    assert output.err == (
        f"lxcfs-py: {tmp_path}/{_HOOK}: cannot be written"
        f" ({tmp_path}/usr: File exists); run as root\n"
    )
