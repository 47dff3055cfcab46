"""The lines of /proc/meminfo: labels, padding, kB.

fs/proc/meminfo.c, show_val_kb(): a label padded to 16 columns, then a number of at least 8. A few
lines are written elsewhere, with 19 and 5: the columns are the same until a number is longer.
"""

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

_NUMBER = re.compile(rb": *(\d+)")
_LINE = re.compile(rb"^([^:\n]+): *\d+( kB)?", re.MULTILINE)
# mm/hugetlb.c, hugetlb_report_meminfo(); fs/proc/meminfo.c, meminfo_proc_show(); mm/memtest.c,
# memtest_report_meminfo().
_NARROW = re.compile(rb"HugePages_|HardwareCorrupted|EarlyMemtestBad")


class Layout(NamedTuple):
    """What the lines of this kernel's file are called, and a format for all of it at once."""

    labels: tuple[bytes, ...]
    zeros: Mapping[bytes, int]
    """0 for each label, in their order."""
    format: bytes


# One host has one layout; it changes with the kernel only.
_layouts: dict[bytes, Layout] = {}
_LAYOUTS_KEPT = 16


@functools.lru_cache(maxsize=4)
def layout_of(text: bytes) -> Layout:
    """The layout of a host's text, remembered by the text without its numbers (1 us; 20 built)."""
    shape = text.translate(None, b"0123456789 ")
    layout = _layouts.get(shape)
    if layout is None:
        layout = _build(text)
        if len(_layouts) >= _LAYOUTS_KEPT:
            _layouts.clear()
        _layouts[shape] = layout
    return layout


def _build(text: bytes) -> Layout:
    lines = _LINE.findall(text)
    labels = tuple(label for label, _ in lines)
    return Layout(
        labels=labels,
        zeros=dict.fromkeys(labels, 0),
        format=b"".join(_line_format(label) + unit + b"\n" for label, unit in lines),
    )


def _line_format(label: bytes) -> bytes:
    form = b"%-19s%%5d" if _NARROW.match(label) else b"%-16s%%8d"
    return form % (label + b":")


@functools.lru_cache(maxsize=4)
def parse_meminfo(text: bytes) -> Mapping[bytes, int]:
    """The numbers by label, in kB where the file has kB.

    Remembered, for one host's text serves all readers of the same 10 ms (20 us each).
    """
    return dict(zip(layout_of(text).labels, map(int, _NUMBER.findall(text)), strict=True))


def format_meminfo(layout: Layout, values: Mapping[bytes, int]) -> bytes:
    """The file's text; a label without a value gets 0."""
    # In the order of the zeros; what this kernel does not show comes after them.
    in_order = tuple({**layout.zeros, **values}.values())
    return layout.format % in_order[: len(layout.labels)]
