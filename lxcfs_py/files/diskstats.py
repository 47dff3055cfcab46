"""/proc/diskstats: the container's I/O on each block device that it has used.

Documentation/admin-guide/iostats.rst; Documentation/admin-guide/cgroup-v2.rst, "io.stat".
"""

from collections.abc import Mapping
from typing import NamedTuple

from lxcfs_py.files._virtual_file import Sources, VirtualFile
from lxcfs_py.kernel.diskstats import SECTOR_SIZE, Row, format_row, parse_rows
from lxcfs_py.resources import DeviceIo


class Inputs(NamedTuple):
    """The host's text and the container's I/O."""

    host: bytes
    io: Mapping[tuple[int, int], DeviceIo]


def gather(sources: Sources) -> Inputs | None:
    """Read both."""
    io = sources.io()
    return None if io is None else Inputs(sources.host_text("proc/diskstats"), io)


def render(inputs: Inputs) -> bytes:
    """The rows of the devices with any activity, in the host's order."""
    rows = []
    for row in parse_rows(inputs.host):
        io = inputs.io.get(row.device)
        if io is not None and any(io):
            rows.append(_row(row, io))
    return b"".join(rows)


def _row(row: Row, io: DeviceIo) -> bytes:
    return format_row(
        row,
        reads=io.rios,
        sectors_read=io.rbytes // SECTOR_SIZE,
        writes=io.wios,
        sectors_written=io.wbytes // SECTOR_SIZE,
        discards=io.dios,
        sectors_discarded=io.dbytes // SECTOR_SIZE,
    )


FILES = (VirtualFile("proc/diskstats", 6, gather, render),)
