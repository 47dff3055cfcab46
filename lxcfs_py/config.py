"""The configuration file: TOML, with the options of options.py as its keys.

What the command line says goes before what the file says. The file is the administrator's: what is
wrong in it is said with file, line and key, and then nothing of it holds.
"""

import argparse
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from lxcfs_py.errors import CannotRun
from lxcfs_py.options import (
    DEFAULT_CONFIG,
    DEFAULTS,
    SPECS,
    Options,
    Spec,
    fault,
    given,
    in_words,
)
from lxcfs_py.options import add_arguments as add_options


def load(arguments: argparse.Namespace) -> Options:
    """The options that a command line and its configuration file ask for.

    Raises:
      CannotRun: the file cannot be read, or has faults.
    """
    return Options.of({**_file_of(arguments.config), **given(arguments)})


def places() -> Mapping[str, str]:
    """Where the configured daemon is, for the other commands; faults are not their affair."""
    try:
        said = read(DEFAULT_CONFIG)
    except (CannotRun, FileNotFoundError):
        return {}
    return {name: said[name] for name in ("mountpoint", "runtime_dir") if name in said}


_FIXED = ("mountpoint", "pidfile", "runtime_dir", "fuse_options", "keep_connection")
"""What a mount is made with, and where others find it."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CannotRun(f"the command line: {message}")


def again(words: Sequence[str], now: Options) -> Options:
    """What the command line of a daemon asks for by now.

    Raises:
      CannotRun: as load(); or it cannot be had without a restart.
    """
    parser = _Parser(allow_abbrev=False)
    add_options(parser)
    named = list(words[1:] if words[:1] == ["mount"] else words)
    options = load(parser.parse_args(named))
    for name in _FIXED:
        if getattr(options, name) != getattr(now, name):
            key = name.replace("_", "-")
            raise CannotRun(f"{key} cannot change while we serve: restart, or take it back")
    return options


def _file_of(path: str | None) -> Mapping[str, Any]:
    """What the file says; the default one need not be there."""
    try:
        return read(path or DEFAULT_CONFIG)
    except FileNotFoundError as error:
        if path:
            raise CannotRun(f"{path}: no such file") from error
        return {}


def read(path: str) -> Mapping[str, Any]:
    """The options in a file, by field.

    Raises:
      CannotRun: it cannot be read, or has faults: a line for each.
      FileNotFoundError: there is no such file.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CannotRun(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CannotRun(f"{path}: not UTF-8, at byte {error.start}") from error
    import tomllib  # 0.9 MB, for as long as the daemon runs, and most have no such file

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotRun(f"{path}{_in_front(str(error), text)}") from error
    faults = [
        f"{path}:{_line_of(key, text)}: {key}: {why}"
        for key, value in values.items()
        for why in _faults(key, value)
    ]
    if faults:
        raise CannotRun("\n".join(faults))
    return {
        key.replace("-", "_"): tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
    }


def _in_front(message: str, text: str) -> str:
    """tomllib's message, with the line where a compiler has it."""
    what, _, where = message.rpartition(" (at ")
    line = re.match(r"line (\d+)", where)
    last = text.rstrip("\n").count("\n") + 1  # "end of document"
    return f":{line[1] if line else last}: not TOML: {what}"


def _line_of(key: str, text: str) -> int:
    """Where a key is; tomllib does not say."""
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    lines = text.split("\n")
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), 1)


def _faults(key: str, value: object) -> Iterator[str]:
    keys = [name.replace("_", "-") for name in SPECS]
    if key not in keys:
        near = _nearest(key, keys)
        yield "no such option" + (f": did you mean {near}?" if near else f": {in_words(keys)}")
        return
    name = key.replace("-", "_")
    yield from _value_faults(SPECS[name], DEFAULTS[name], value)


def _value_faults(spec: Spec, default: object, value: object) -> Iterator[str]:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            yield f"{_shown(value)}: true or false is allowed"
    elif spec.choices.several:
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            yield from (why for word in value for why in _word_faults(spec, word))
        else:
            yield f'{_shown(value)}: a list is allowed: ["...", "..."]'
    elif isinstance(value, str):
        if value != default:
            yield from _word_faults(spec, value)
    else:
        yield f'{_shown(value)}: a text is allowed: "..."'


def _word_faults(spec: Spec, word: str) -> Iterator[str]:
    why = fault(spec.choices, word)
    if why:
        near = _nearest(word, spec.choices.words)
        yield f"{_shown(word)}: {why}" + (f"; did you mean {near}?" if near else "")


def _nearest(word: str, words: Collection[str]) -> str:
    import difflib  # only for whoever has mistyped one

    return next(iter(difflib.get_close_matches(word, list(words), 1)), "")


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The argument of `check-config`."""
    parser.add_argument(
        "config", nargs="?", metavar="FILE", help=f"default: {DEFAULT_CONFIG}, if it is there"
    )


def check(arguments: argparse.Namespace) -> int:
    """Print what would hold, as a file that says it.

    Raises:
      CannotRun: as load().
    """
    options = load(arguments)
    for name in SPECS:
        print(f"{name.replace('_', '-')} = {_shown(getattr(options, name))}")
    return 0
