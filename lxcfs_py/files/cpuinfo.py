"""/proc/cpuinfo: the blocks of the CPUs that the container is shown.

Documentation/filesystems/proc.rst, 1.7; arch/*/kernel/{cpu/proc,setup,cpuinfo}.c: each
architecture writes its own.
"""

import functools
import re
from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
from lxcfs_py.files.cpu_lists import in_words_of
from lxcfs_py.resources import CpuView

# x86, arm64, powerpc, riscv: "processor\t: 3", the first line of a block; s390x: a line for each,
# "processor 3: version = ...", and later blocks that begin "cpu number      : 3".
_BLOCK = re.compile(rb"(?:processor|cpu number)\s*:\s*(\d+)")
_ALL_BLOCKS = re.compile(rb"(?m)^(?:processor|cpu number)\s*:\s*(\d+)")
_LINE = re.compile(rb"processor (\d+):")
_S390 = b"vendor_id       : IBM/S390"
_S390_COUNT = re.compile(rb"(?m)^(# processors\s*:\s*)\d+")
# These count threads and cores of a package, of which the container may not be shown all.
_PACKAGE_COUNTS = (b"\nsiblings", b"\ncpu cores")


class Inputs(NamedTuple):
    """The host's text and the CPUs to show."""

    host: bytes
    view: CpuView


def gather(sources: Sources) -> Inputs | None:
    """Read the host's text; ask which CPUs are shown."""
    view = sources.cpus()
    return None if view is None else Inputs(sources.host_text("proc/cpuinfo"), view)


def gather_for_32_bit(sources: Sources) -> Inputs | None:
    """The same for a 32-bit program: arm64 names its features otherwise (c_show())."""
    host, view = sources.host_text("proc/cpuinfo", for_32_bit=True), sources.cpus()
    # Without a view of its own the container still hears the 32-bit text.
    numbers = [int(found) for found in _ALL_BLOCKS.findall(host)]
    return Inputs(host, view or CpuView(tuple(numbers), len(numbers)))


@functools.lru_cache(maxsize=16)
def render(inputs: Inputs) -> bytes:
    """The shown CPUs' blocks, and the text that belongs to no CPU.

    Remembered: there are few different limits, and the host's text changes with a clock rate only
    (7 us with 2 CPUs, 200 with 64).
    """
    view = inputs.view
    numbers = dict(zip(view.shown, view.numbers, strict=True))
    is_s390 = inputs.host.startswith(_S390)
    paragraphs = inputs.host.replace(b"\n\n", b"\n\0").split(b"\0")
    kept = []
    for paragraph in paragraphs:
        found = _BLOCK.match(paragraph)
        if found is not None:
            number = numbers.get(int(found[1]))
            if number is not None:
                kept.append(_numbered(paragraph, found, number, len(numbers)))
        elif is_s390:
            kept.append(_filter_lines(paragraph, numbers))
        else:
            kept.append(paragraph)
    return b"\n".join(kept)


def _numbered(block: bytes, found: re.Match[bytes], number: int, shown: int) -> bytes:
    """A CPU's block with its number, counting no more than `shown` CPUs."""
    block = block[: found.start(1)] + b"%d" % number + block[found.end(1) :]
    for name in _PACKAGE_COUNTS:
        start = block.find(name)
        if start >= 0:
            start = block.index(b":", start) + 1
            end = block.index(b"\n", start)
            block = block[:start] + b" %d" % min(int(block[start:end]), shown) + block[end:]
    return block


def _filter_lines(paragraph: bytes, numbers: dict[int, int]) -> bytes:
    """s390x's first paragraph: a line for each CPU, and their number."""
    lines = []
    for line in paragraph.splitlines(keepends=True):
        found = _LINE.match(line)
        number = numbers.get(int(found[1])) if found else None
        if found is None:
            lines.append(line)
        elif number is not None:
            lines.append(line[: found.start(1)] + b"%d" % number + line[found.end(1) :])
    return _S390_COUNT.sub(rb"\g<1>%d" % len(numbers), b"".join(lines))


_OURS = re.compile(
    r"(?m)^(?P<name>processor|cpu number|siblings|cpu cores|# processors)\s*:\s*(?P<shown>\d+)"
    r"|^(?P<line>processor) (?P<number>\d+):"
)


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """The numbers that are not always the host's; all else is the host's lines as they are."""
    view = inputs.view
    hosts = dict(zip(view.numbers, view.shown, strict=True))
    counts = _package_counts(inputs.host.decode(errors="replace"))
    terms: dict[str, int | float | None] = {"cpus.count": len(view.shown)}
    fields = []
    cpu = ""
    for found in _OURS.finditer(text.decode(errors="replace")):
        name, shown = found["name"] or found["line"], found["shown"] or found["number"]
        if name in ("siblings", "cpu cores"):
            term = f"host.cpu{hosts[int(cpu)]}.{name}"
            terms[term] = counts[hosts[int(cpu)], name]
            formula = f"min({{{term}}}, {{cpus.count}})"
            fields.append(Field(f"cpu{cpu} {name}", shown, formula))
        elif name == "# processors":
            fields.append(Field(name, shown, "{cpus.count}"))
        else:
            cpu = shown
            fields.append(Field(f"cpu{cpu} {name}", shown, in_words_of(view), in_words=True))
    return Explanation(terms, fields)


def _package_counts(host: str) -> dict[tuple[int, str], int]:
    """The host's counts, by its number of a CPU."""
    counts = {}
    cpu = -1
    for found in _OURS.finditer(host):
        if found["name"] in ("siblings", "cpu cores"):
            counts[cpu, found["name"]] = int(found["shown"])
        elif found["name"] != "# processors":
            cpu = int(found["shown"] or found["number"])
    return counts


_FOR_32_BIT = VirtualFile("proc/cpuinfo", 18, gather_for_32_bit, render, explain)
FILES = (VirtualFile("proc/cpuinfo", 5, gather, render, explain, for_32_bit=_FOR_32_BIT),)
