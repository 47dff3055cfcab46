"""Kubernetes: a daemon on each node, and a policy that gives its files to pods."""

import argparse
import re
from pathlib import Path
from string import Template

from lxcfs_py.errors import CannotRun
from lxcfs_py.install.changes import content_of

MOUNTPOINT = "/run/lxcfs-py/view"
"""The directory above it is the daemon's alone: what it mounts there the node is to see, and that
goes for all of the directory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that are for this alone."""
    group = parser.add_argument_group("kubernetes")
    group.add_argument(
        "--image",
        type=_image,
        default="lxcfs-py:latest",
        metavar="NAME",
        help="what the daemon's pods run (default: %(default)s)",
    )
    group.add_argument(
        "--namespace",
        type=_namespace,
        default="lxcfs-py",
        metavar="NAME",
        help="where these are (default: %(default)s)",
    )


def text(arguments: argparse.Namespace) -> str:
    """The manifests.

    Raises:
      CannotRun: the mount point has no directory above it that could be the daemon's.
    """
    mountpoint = arguments.mountpoint or MOUNTPOINT
    parent = str(Path(mountpoint).parent)
    if parent == "/":
        raise CannotRun(f"--mountpoint {mountpoint}: needs a directory above it, for itself alone")
    return Template(content_of("kubernetes/lxcfs-py.yaml").decode()).substitute(
        mountpoint=mountpoint,
        parent=parent,
        image=arguments.image,
        namespace=arguments.namespace,
    )


def _image(word: str) -> str:
    if not re.fullmatch(r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", word, re.A):
        raise argparse.ArgumentTypeError(f"{word}: not the name of an image")
    return word


def _namespace(word: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", word):
        raise argparse.ArgumentTypeError(f"{word}: not the name of a namespace")
    return word
