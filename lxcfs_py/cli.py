"""The command line: words in, exit status out. No other module has an error printed.

Exit status: 0, 1 for what could not be done, 2 for wrong use, and for `try` the command's own.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from lxcfs_py import __version__, log
from lxcfs_py.errors import CannotRun


class _Command(NamedTuple):
    help: str
    module: str
    """Has `add_arguments(parser)` and the function below; imported when it is asked for."""
    function: str = "run"
    """Takes the parsed arguments and returns the exit status."""


_COMMANDS = {
    "mount": _Command("serve the files at a mount point (the default)", "lxcfs_py.daemon.command"),
    "upgrade": _Command("have a daemon run the code installed now", "lxcfs_py.daemon.upgrade"),
    "check-config": _Command("say what options hold, or what is wrong", "lxcfs_py.config", "check"),
    "attach": _Command("show the files to a container that runs", "lxcfs_py.attach", "attach"),
    "detach": _Command("take them out of it again", "lxcfs_py.attach", "detach"),
    "reattach": _Command("replace mounts that a lost daemon has left", "lxcfs_py.reattach"),
    "ps": _Command("the containers that a daemon serves", "lxcfs_py.observe.ps"),
    "top": _Command("the same, again and again", "lxcfs_py.observe.top"),
    "explain": _Command("where a file's numbers come from", "lxcfs_py.observe.explain"),
    "check": _Command("whether a container's files agree", "lxcfs_py.observe.check"),
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
    name = words.pop(0) if words and words[0] in _COMMANDS else None
    command = _COMMANDS[name or "mount"]
    module = import_module(command.module)
    parser = _Parser(
        prog="lxcfs-py" if name is None else f"lxcfs-py {name}",
        description=command.help,
        epilog=None if name else _overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-v", "--version", action="version", version=f"lxcfs-py {__version__}")
    module.add_arguments(parser)
    run: Callable[[argparse.Namespace], int] = getattr(module, command.function)
    try:
        return run(parser.parse_args(words))
    except CannotRun as error:
        log.complain(str(error))
        return 1


def _overview() -> str:
    lines = (f"  lxcfs-py {name:12} {command.help}" for name, command in _COMMANDS.items())
    return "commands:\n" + "\n".join(lines)
