"""Manual pages and completion know every command and option that the program has."""

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxcfs_py.cli import COMMANDS, parser_of
from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.install.runtimes import PRINTED, RUNTIMES
from lxcfs_py.options import FILES, SPECS

_PACKAGING = Path(__file__).parents[2] / "packaging"
_COMPLETION = _PACKAGING / "completion/lxcfs-py"
_PAGES = sorted((_PACKAGING / "man").iterdir())


def _rendered(page: Path) -> str:
    command = ("groff", "-man", "-Tascii", "-P-cbou", "-rLL=500n", "-rHY=0")
    return subprocess.run([*command, page], check=True, capture_output=True, text=True).stdout


def _options(name: str) -> Iterator[argparse.Action]:
    yield from (action for action in parser_of(name)._actions if action.option_strings)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_a_page_has_no_fault(page: Path) -> None:
    command = ("groff", "-man", "-ww", "-z", "-rCHECKSTYLE=3", "-Tutf8")

    assert subprocess.run([*command, page], capture_output=True, check=True).stderr == b""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_manual_has_every_option_of_a_command(name: str) -> None:
    text = _rendered(_PACKAGING / "man/lxcfs-py.1")
    section = re.search(rf"^   lxcfs-py {name}(?![\w-]).*\n(?:(?:       .*)?\n)*", text, re.M)
    for_all = re.search(r"^   All commands\n(?:(?:       .*)?\n)*", text, re.M)

    assert section is not None
    assert for_all is not None
    for action in _options(name):
        for option in action.option_strings:
            found = re.search(rf"(?<![\w-]){option}(?![\w-])", section[0] + for_all[0])
            assert found, f"lxcfs-py {name} {option}"
        for choice in action.choices or ():
            assert re.search(rf"\b{choice}\b", section[0]), f"{action.dest} {choice}"


def test_the_manual_has_no_option_that_is_not_there() -> None:
    text = _rendered(_PACKAGING / "man/lxcfs-py.1")
    known = {word for name in COMMANDS for a in _options(name) for word in a.option_strings}

    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


def test_the_manual_of_the_file_has_every_key_and_value() -> None:
    text = _rendered(_PACKAGING / "man/lxcfs-py.conf.5")
    (options,) = re.findall(r"^OPTIONS\n(.*?)^\w", text, re.M | re.S)
    keys = re.findall(r"^       ([a-z-]+)(?: .*)?$", options, re.M)

    assert keys == [name.replace("_", "-") for name in SPECS]
    for spec in SPECS.values():
        for word in spec.choices.words:
            assert word in options


def _completed(*words: str) -> list[str]:
    """What a bash proposes for the last of the words."""
    line = f"""
        source {shlex.quote(str(_COMPLETION))}
        COMP_WORDS=({shlex.join(("lxcfs-py", *words))}) COMP_CWORD={len(words)}
        $(complete -p lxcfs-py | sed 's/.*-F //; s/ .*//')
        [ ${{#COMPREPLY[@]}} -eq 0 ] || printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", line], check=True, capture_output=True, text=True, cwd="/etc"
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_completion_has_every_command() -> None:
    assert set(COMMANDS) <= set(_completed(""))
    assert _completed("check") == ["check-config", "check"]


@pytest.mark.parametrize("name", COMMANDS)
def test_completion_has_every_option_of_a_command(name: str) -> None:
    long = [word for a in _options(name) for word in a.option_strings if word.startswith("--")]

    assert sorted(_completed(name, "--")) == sorted(long)
    for action in _options(name):
        if action.choices:
            assert _completed(name, action.option_strings[-1], "") == list(action.choices)


def test_completion_without_a_command_has_the_options_of_mount() -> None:
    assert _completed("--") == _completed("mount", "--")


def test_completion_has_files_and_runtimes() -> None:
    assert _completed("--disable-files", "") == list(FILES)
    assert _completed("--disable-files", "=", "/sys") == ["/sys/devices/system/cpu"]
    assert _completed("install", "") == [*RUNTIMES, *PRINTED]
    assert _completed("uninstall", "lx") == ["lxc"]
    assert set(_completed("explain", "1", "")) == {
        Path(file.path).name for file in VIRTUAL_FILES if file.path.count("/") == 1
    }


@pytest.mark.parametrize("words", [("check-config", "pass"), ("upgrade", "--config", "pass")])
def test_completion_of_paths(words: tuple[str, ...]) -> None:
    assert "passwd" in _completed(*words)
    assert "/etc/" not in _completed("--mountpoint", "pass")


def test_completion_of_a_command_line_to_try() -> None:
    assert "free" in _completed("try", "--memory", "1G", "fre")
    assert _completed("try", "--memory", "") == []
