"""The command line: words in, exit status out. No other module has an error printed.

Exit status: 0, 1 for what could not be done, 2 for wrong use, and for `try` the command's own.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from lxcfs_py import __version__, config, log
from lxcfs_py.errors import CannotRun


class _Command(NamedTuple):
    help: str
    module: str
    """Has `add_arguments(parser)` and the function below; imported when it is asked for."""
    function: str = "run"
    """Takes the parsed arguments and returns the exit status."""
    reads_config: bool = False
    """All of it; others only look there where the daemon is."""


COMMANDS = {
    "mount": _Command(
        "serve the files at a mount point (the default)",
        "lxcfs_py.daemon.command",
        reads_config=True,
    ),
    "upgrade": _Command(
        "have a daemon run what is installed now", "lxcfs_py.daemon.upgrade", reads_config=True
    ),
    "check-config": _Command(
        "say what options hold, or what is wrong", "lxcfs_py.config", "check", reads_config=True
    ),
    "attach": _Command("show the files to a container that runs", "lxcfs_py.attach"),
    "detach": _Command("take them out of it again", "lxcfs_py.detach"),
    "reattach": _Command("replace mounts that a lost daemon has left", "lxcfs_py.reattach"),
    "ps": _Command("the containers that a daemon serves", "lxcfs_py.observe.ps", reads_config=True),
    "top": _Command("the same, again and again", "lxcfs_py.observe.top", reads_config=True),
    "explain": _Command(
        "where a file's numbers come from", "lxcfs_py.observe.explain", reads_config=True
    ),
    "check": _Command(
        "whether a container's files agree", "lxcfs_py.observe.check", reads_config=True
    ),
    "try": _Command("run a command in a throw-away container", "lxcfs_py.sandbox.command"),
    "install": _Command("have container runtimes show the files", "lxcfs_py.install.command"),
    "uninstall": _Command("take that back", "lxcfs_py.install.uninstall"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    `lxcfs-py [OPTIONS] MOUNTPOINT` is `lxcfs-py mount`, as with lxcfs; a mount point that is
    called like a command is written `./try`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words.pop(0) if words and words[0] in COMMANDS else None
    command = COMMANDS[name or "mount"]
    parser = parser_of(name)
    if not command.reads_config:
        parser.set_defaults(**config.places())
    run: Callable[[argparse.Namespace], int] = getattr(
        import_module(command.module), command.function
    )
    try:
        return run(parser.parse_args(words))
    except CannotRun as error:
        log.complain(str(error))
        return 1


def parser_of(name: str | None) -> argparse.ArgumentParser:
    """The parser of a command's arguments; None: of what is said without a command."""
    command = COMMANDS[name or "mount"]
    parser = _Parser(
        prog="lxcfs-py" if name is None else f"lxcfs-py {name}",
        description=command.help,
        epilog=None if name else _overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-v", "--version", action="version", version=f"lxcfs-py {__version__}")
    import_module(command.module).add_arguments(parser)
    return parser


def _overview() -> str:
    lines = (f"  lxcfs-py {name:12} {command.help}" for name, command in COMMANDS.items())
    return "commands:\n" + "\n".join(lines)
