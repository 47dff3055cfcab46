"""/proc/cpuinfo: the blocks of the CPUs that the container is shown.

Documentation/filesystems/proc.rst, 1.7; arch/*/kernel/{cpu/proc,setup,cpuinfo}.c: each
architecture writes its own.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from lxcfs_py.files._virtual_file import Sources, VirtualFile
from lxcfs_py.resources import CpuView

# x86, arm64, powerpc, riscv: "processor\t: 3"; s390x: "processor 3: version = ...", and later
# "cpu number      : 3".
_PROCESSOR = re.compile(
    rb"^(?:processor\s*:\s*|processor (?=\d)|cpu number\s*:\s*)(\d+)", re.MULTILINE
)
_S390_COUNT = re.compile(rb"^(# processors\s*:\s*)\d+")
# These count threads and cores of a package, of which the container may not be shown all.
_PACKAGE_COUNT = re.compile(rb"^((?:siblings|cpu cores)\s*:\s*)(\d+)$", re.MULTILINE)


class Inputs(NamedTuple):
    """The host's text and the CPUs to show."""

    host: bytes
    view: CpuView


def gather(sources: Sources) -> Inputs | None:
    """Read the host's text; ask which CPUs are shown."""
    view = sources.cpus()
    return None if view is None else Inputs(sources.host_text("proc/cpuinfo"), view)


def render(inputs: Inputs) -> bytes:
    """The shown CPUs' blocks, and the text that belongs to no CPU."""
    view = inputs.view
    numbers = dict(zip(view.shown, view.numbers, strict=True))
    shown = (_filter(paragraph, numbers) for paragraph in re.split(rb"(?<=\n)\n", inputs.host))
    text = b"\n".join(paragraph for paragraph in shown if paragraph is not None)
    return _PACKAGE_COUNT.sub(_at_most(len(view.shown)), text)


def _at_most(count: int) -> Callable[[re.Match[bytes]], bytes]:
    return lambda found: found[1] + b"%d" % min(int(found[2]), count)


def _filter(paragraph: bytes, numbers: dict[int, int]) -> bytes | None:
    # s390x has a paragraph of one line per CPU; elsewhere each CPU has its own.
    if len(_PROCESSOR.findall(paragraph)) > 1:
        return _filter_lines(paragraph, numbers)
    return _filter_block(paragraph, numbers)


def _filter_block(block: bytes, numbers: dict[int, int]) -> bytes | None:
    found = _PROCESSOR.search(block)
    if found is None:
        return block
    number = numbers.get(int(found[1]))
    if number is None:
        return None
    return block[: found.start(1)] + b"%d" % number + block[found.end(1) :]


def _filter_lines(paragraph: bytes, numbers: dict[int, int]) -> bytes:
    lines = []
    for line in paragraph.splitlines(keepends=True):
        if _S390_COUNT.match(line):
            lines.append(_S390_COUNT.sub(rb"\g<1>%d" % len(numbers), line))
        else:
            kept = _filter_block(line, numbers)
            if kept is not None:
                lines.append(kept)
    return b"".join(lines)


FILES = (VirtualFile("proc/cpuinfo", 5, gather, render),)
