"""/proc/diskstats: the container's I/O on each block device that it has used.

Documentation/admin-guide/iostats.rst; Documentation/admin-guide/cgroup-v2.rst, "io.stat".
"""

from collections.abc import Mapping
from itertools import zip_longest
from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
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


_COLUMNS = (
    *("reads", "reads merged", "sectors read", "ms reading"),
    *("writes", "writes merged", "sectors written", "ms writing"),
    *("in flight", "ms busy", "ms weighted"),
    *("discards", "discards merged", "sectors discarded", "ms discarding"),
    *("flushes", "ms flushing"),
)
_FORMULAS = {
    "reads": "{%s.rios}",
    "sectors read": f"{{%s.rbytes}} // {SECTOR_SIZE}",
    "writes": "{%s.wios}",
    "sectors written": f"{{%s.wbytes}} // {SECTOR_SIZE}",
    "discards": "{%s.dios}",
    "sectors discarded": f"{{%s.dbytes}} // {SECTOR_SIZE}",
}


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`."""
    terms: dict[str, int | float | None] = {}
    fields = []
    for line in text.decode().splitlines():
        major, minor, disk, *numbers = line.split()
        device = f"io.stat.{major}:{minor}"
        io = inputs.io[int(major), int(minor)]
        terms |= {f"{device}.{key}": value for key, value in io._asdict().items()}
        # A kernel may have more columns than we know by name.
        for column, shown in zip_longest(_COLUMNS[: len(numbers)], numbers, fillvalue="?"):
            formula = _FORMULAS.get(column)
            fields.append(Field(f"{disk} {column}", shown, formula % device if formula else "0"))
    if not fields:
        fields.append(Field("rows", "none", "it has used no device", in_words=True))
    return Explanation(terms, fields)


FILES = (VirtualFile("proc/diskstats", 6, gather, render, explain),)
