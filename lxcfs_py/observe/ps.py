"""`lxcfs-py ps`: the containers that a daemon serves."""

import argparse
from collections.abc import Sequence

from lxcfs_py.observe.answers import LIST, Listed
from lxcfs_py.observe.asking import Daemon, add_place
from lxcfs_py.observe.show import Row, duration, show_json, show_table, size

_TITLES = (
    "NAME",
    "RUNTIME",
    "PID",
    "AGE",
    "MEMORY",
    "LIMIT",
    "CPUS",
    "CPU TIME",
    "READS",
)
RIGHT = range(2, len(_TITLES))
"""The columns that hold numbers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--json", action="store_true", help="for programs: all that is known")
    add_place(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    daemon = Daemon.of(arguments)
    if arguments.json:
        show_json(daemon.ask(LIST)["containers"])
        return 0
    containers = listed(daemon)
    show_table(_TITLES, [row(container) for container in containers], right=RIGHT)
    return 0


def listed(daemon: Daemon) -> Sequence[Listed]:
    """The containers, by their names."""
    found = [Listed.from_json(one) for one in daemon.ask(LIST)["containers"]]
    return sorted(found, key=lambda container: (container.name, container.pid))


def row(container: Listed) -> Row:
    """One line."""
    return (
        container.name,
        container.runtime or "-",
        str(container.pid),
        duration(container.age),
        size(container.memory, none="-"),
        size(container.memory_max, none="max"),
        cpus(container),
        "-" if container.cpu_usec is None else f"{container.cpu_usec / 1e6:.2f}s",
        str(container.reads),
    )


def cpus(container: Listed) -> str:
    """What it can use: `0.5`, or `max`."""
    return "max" if container.cpus is None else f"{container.cpus:g}"
