"""Tables: on a terminal by rich, else plain columns, for programs and for mail."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

Row = Sequence[str]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def show_table(titles: Row, rows: Iterable[Row], *, right: Sequence[int] = ()) -> None:
    """Print a table; the columns in `right` hold numbers."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(rich_table(titles, rows, right=right))
    else:
        print(plain_table(titles, rows, right=right))


def show_json(value: object) -> None:
    """Print for programs."""
    print(json.dumps(value, indent=2))


def plain_table(titles: Row, rows: Iterable[Row], *, right: Sequence[int] = ()) -> str:
    """Columns as wide as they need to be."""
    lines = [tuple(titles), *(tuple(map(harmless, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def rich_table(titles: Row, rows: Iterable[Row], *, right: Sequence[int] = ()) -> "Table":
    """The same for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, title in enumerate(titles):
        justify = "right" if number in right else "left"
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    return table


def harmless(text: str) -> str:
    """Nothing that a terminal would obey: cgroups are named by containers, too."""
    return "".join(char if char.isprintable() else "?" for char in text)


def size(value: int | None, *, none: str) -> str:
    """Bytes in the unit that suits."""
    if value is None:
        return none
    number, unit = float(value), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return (
        f"{number:.0f} {_UNITS[unit]}"
        if number >= 100 or not unit
        else f"{number:.1f} {_UNITS[unit]}"
    )


def duration(seconds: float) -> str:
    """`3d 4h`, `4h 5m`, `5m 6s`, `6s`."""
    rest = int(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
