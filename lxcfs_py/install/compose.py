"""Compose: a file with a service that others extend."""

import argparse

from lxcfs_py.install.changes import content_of
from lxcfs_py.options import DEFAULT_MOUNTPOINT


def text(arguments: argparse.Namespace) -> str:
    """The file."""
    mountpoint = arguments.mountpoint or DEFAULT_MOUNTPOINT
    return content_of("compose/lxcfs-py.yaml", mountpoint).decode()
