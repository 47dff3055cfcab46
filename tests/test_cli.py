"""The command line: what is printed where, and the exit status."""

import os
import subprocess
import sys

import pytest

from lxcfs_py import __version__
from lxcfs_py.cli import main

_NOBODY = 65534


def _status(words: list[str]) -> int | str | None:
    try:
        return main(words)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("words", [["--version"], ["-v"], ["mount", "--version"]])
def test_version(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(words) == 0
    assert capsys.readouterr() == (f"lxcfs-py {__version__}\n", "")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["mount", "-h"], ["install", "--help"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: lxcfs-py")
    assert err == ""


def test_help_names_every_command_and_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    _status(["--help"])

    out = capsys.readouterr().out
    for word in ("mount", "try", "install", "uninstall", "--enable-cfs", "--disable-swap", "-o"):
        assert word in out


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--no-such-option"], id="unknown-option"),
        pytest.param(["/a", "/b"], id="two-mount-points"),
        pytest.param(["-o", "a", "-o", "b", "/mnt"], id="-o-twice"),
        pytest.param(["mount", "--cpu-view", "all"], id="unknown-choice"),
        pytest.param(["install"], id="no-runtime"),
        pytest.param(["instal", "lxc"], id="command-misspelt"),
        pytest.param(["--enable-psi"], id="abbreviation"),
    ],
)
def test_wrong_use_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _status(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lxcfs-py")
    assert "--help" in err
    assert err.count("\n") == 1


def test_not_root_is_one_line() -> None:
    command = [sys.executable, "-c", "import sys; from lxcfs_py.cli import main; sys.exit(main())"]
    user = _NOBODY if os.geteuid() == 0 else None

    ended = subprocess.run([*command, "/mnt"], user=user, cwd="/", capture_output=True, check=False)

    assert ended.returncode == 1
    assert ended.stdout == b""
    assert ended.stderr.startswith(b"lxcfs-py: only root ")
    assert ended.stderr.count(b"\n") == 1
