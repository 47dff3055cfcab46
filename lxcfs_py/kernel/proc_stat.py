"""/proc/stat: the cpu lines in USER_HZ ticks, and the other lines.

Documentation/filesystems/proc.rst, 1.7; fs/proc/stat.c, show_stat().
"""

import re
from collections.abc import Iterable

_NUMBER = re.compile(rb"[0-9]+")

USER_HZ = 100
"""Ticks per second in every file for user space, on every architecture that containers run on."""


def count_cpu_columns(text: bytes) -> int:
    """The number of columns of a cpu line."""
    return len(text[: text.index(b"\n")].split()) - 1


def other_lines(text: bytes) -> list[bytes]:
    """All lines but the cpu lines, in order, without their newlines."""
    start = 0
    while text.startswith(b"cpu", start):
        start = text.index(b"\n", start) + 1
    return text[start:].splitlines()


def format_cpu_line(name: bytes, ticks: Iterable[int], columns: int) -> bytes:
    """One cpu line: user, nice, system and idle ticks, and 0 in the other columns.

    The line of all CPUs has two blanks after its name.
    """
    numbers = [*ticks]
    numbers += [0] * (columns - len(numbers))
    return name + b" %d" * columns % tuple(numbers[:columns]) + b"\n"


def with_zeros(line: bytes) -> bytes:
    """The same line with 0 in the place of every number.

    `intr` has a number for each interrupt of the machine, hundreds: counting blanks takes 1 us,
    replacing numbers 20.
    """
    name, blank, numbers = line.partition(b" ")
    if numbers and b"  " not in numbers and numbers[-1:] != b" ":
        return name + b" 0" * (numbers.count(b" ") + 1)
    return name + blank + _NUMBER.sub(b"0", numbers)
