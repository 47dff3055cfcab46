"""Puts the metrics in place for a worker, where they are wanted."""

import importlib

import trio

from lxcfs_py.caller import Containers
from lxcfs_py.fuse.cgroups.tree import CgroupTree
from lxcfs_py.fuse.errors import Fallback
from lxcfs_py.fuse.operations import Operations
from lxcfs_py.fuse.virtual import VirtualTree
from lxcfs_py.observe.counting import CountingOperations
from lxcfs_py.observe.place import parse_place
from lxcfs_py.observe.scraping import serve_metrics

_MODULE = "lxcfs_py.observe.metrics"


def load() -> None:
    """Have it loaded before there is a worker."""
    importlib.import_module(_MODULE)


def metered(
    nursery: trio.Nursery,
    place: str,
    starts_file: str,
    virtual: VirtualTree,
    cgroups: CgroupTree | None,
    fallback: Fallback,
    containers: Containers,
) -> Operations:
    """The file system with a meter, whose numbers are to be had at a place from now on."""
    from lxcfs_py.observe.metrics import CONTENT_TYPE, Metrics

    def count() -> int:
        return sum(container.age() is not None for container in containers)

    metrics = Metrics(count, lambda: fallback.count, starts_file)
    nursery.start_soon(serve_metrics, parse_place(place), CONTENT_TYPE, metrics.text)
    return CountingOperations(virtual, cgroups, fallback, metrics)
