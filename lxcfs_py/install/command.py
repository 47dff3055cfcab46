"""`lxcfs-py install`: words in, plans shown or carried out."""

import argparse
import re
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install import kubernetes
from lxcfs_py.install.carry_out import add_common, carry_out, runtime
from lxcfs_py.install.changes import Settings
from lxcfs_py.install.plan import plan_install, state_of
from lxcfs_py.install.record import recorded
from lxcfs_py.install.runtimes import NAMES, PRINTED, RUNTIMES, find, runtime_of
from lxcfs_py.options import DEFAULT_MOUNTPOINT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `install`."""
    parser.add_argument(
        "runtimes",
        nargs="*",
        metavar="RUNTIME",
        type=_runtime,
        help=f"{', '.join(NAMES)}; or one whose text is printed: {', '.join(PRINTED)}",
    )
    parser.set_defaults(wrong_use=parser.error)
    parser.add_argument("--list", action="store_true", help="show how each runtime stands")
    parser.add_argument(
        "--opt-in", action="store_true", help="only containers that ask for it (not lxc)"
    )
    parser.add_argument(
        "--mountpoint",
        type=_mountpoint,
        metavar="DIR",
        help=f"where the daemon serves (default: {DEFAULT_MOUNTPOINT}, kubernetes:"
        f" {kubernetes.MOUNTPOINT})",
    )
    add_common(parser)
    kubernetes.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Have runtimes show containers our files, or say how each stands."""
    root: Path = arguments.root
    if arguments.list:
        return _list(root)
    names: list[str] = arguments.runtimes
    if not names:
        arguments.wrong_use(f"name one or more of {', '.join(NAMES)}, or say --list")
    for name in names:
        if arguments.opt_in and (name in PRINTED or not runtime_of(name).has_opt_in):
            raise CannotRun(f"{name}: has no --opt-in; leave it out")
        if name in PRINTED and len(names) > 1:
            raise CannotRun(f"{name}: is printed, not installed; name it alone")
    if names[0] in PRINTED:
        print(PRINTED[names[0]](arguments), end="")
        return 0
    settings = Settings(arguments.mountpoint or DEFAULT_MOUNTPOINT, arguments.opt_in)
    return carry_out(
        arguments,
        lambda name: plan_install(root, name, settings),
        lambda name: runtime_of(name).then,
    )


def _runtime(name: str) -> str:
    return name if name in PRINTED else runtime(name)


def _list(root: Path) -> int:
    machines = [name for name in recorded(root) if name not in RUNTIMES and find(name)]
    for name in [*RUNTIMES, *machines]:
        print(f"{name:11} {_state_in_words(root, name)}")
    return 0


def _state_in_words(root: Path, name: str) -> str:
    state = state_of(root, name)
    found = (
        ""
        if state.found or not runtime_of(name).found_by
        else f"; {name.partition(':')[0]} not found here"
    )
    if not state.installed:
        return f"not installed{found}"
    words = "installed"
    if state.settings.opt_in:
        words += ", opt-in"
    if state.settings.mountpoint != DEFAULT_MOUNTPOINT:
        words += f", for {state.settings.mountpoint}"
    if state.differs:
        words += f"; install again, for this differs: {', '.join(map(str, state.differs))}"
    return words + found


def _mountpoint(text: str) -> str:
    """An absolute path that no shell, LXC or JSON file needs quotes for."""
    if not re.fullmatch(r"(/[\w.+@:-]+)+", text, re.ASCII):
        raise argparse.ArgumentTypeError(
            f"{text}: not an absolute path of letters, digits and . _ + @ : -"
        )
    return text
