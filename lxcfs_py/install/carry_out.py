"""What `install` and `uninstall` have in common: their options, and plans carried out."""

import argparse
from collections.abc import Callable
from pathlib import Path

from lxcfs_py.install.runtimes import NAMES, find
from lxcfs_py.install.step import Step


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of both."""
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="work below this directory (for packages and root file systems)",
    )


def runtime(name: str) -> str:
    """The name of a runtime, as an argument."""
    if find(name) is None:
        raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(NAMES)}")
    return name


def carry_out(
    arguments: argparse.Namespace,
    plan: Callable[[str], list[Step]],
    then: Callable[[str], str] = lambda name: "",
) -> int:
    """Do what is planned for each runtime, or with --dry-run show it as a difference.

    `then` has a sentence for those for which something was done.
    """
    shown: set[Path] = set()
    for name in dict.fromkeys(arguments.runtimes):
        steps = [step for step in plan(name) if step.path not in shown]
        for step in steps:
            if arguments.dry_run:
                print(step.difference(), end="")
                shown.add(step.path)
            else:
                outcome = step.outcome()
                step.take()
                print(f"{step.path}: {outcome}")
        if then(name) and not arguments.dry_run and any(step.changes for step in steps):
            print(f"{name}: {then(name)}")
    return 0
