"""Lists of CPUs as the kernel writes them: `0-3,8`.

Documentation/admin-guide/cputopology.rst; lib/bitmap-str.c, bitmap_print_to_pagebuf().
"""

import functools
from collections.abc import Sequence


@functools.lru_cache(maxsize=1024)
def parse_cpulist(text: bytes) -> tuple[int, ...]:
    """The CPU numbers of a list, ascending.

    Raises:
      ValueError: it is not a list.
    """
    cpus: set[int] = set()
    for part in text.strip().split(b","):
        if part:
            first, _, last = part.partition(b"-")
            cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))


def format_cpulist(cpus: Sequence[int]) -> bytes:
    """The list of ascending CPU numbers, with the kernel's newline; a lone one for no CPU."""
    ranges: list[list[int]] = []
    for cpu in cpus:
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return b",".join(b"%d" % a if a == b else b"%d-%d" % (a, b) for a, b in ranges) + b"\n"
