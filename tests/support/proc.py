"""The files of /proc as their readers see them: parsed in the plainest way."""

import os
import re


def parse_meminfo(text: bytes) -> dict[str, int]:
    """The numbers by label; kB where the file has kB."""
    return {
        label: int(value) for label, value in re.findall(r"^(\S+): +(\d+)", text.decode(), re.M)
    }


def parse_cpu_lines(text: bytes) -> dict[str, list[int]]:
    """The numbers of `cpu`, `cpu0`, ... of /proc/stat."""
    lines = re.findall(r"^(cpu\d*)((?: +\d+)+)$", text.decode(), re.M)
    return {name: [int(number) for number in numbers.split()] for name, numbers in lines}


def parse_uptime(text: bytes) -> tuple[float, float]:
    """Uptime and idle time, in seconds."""
    uptime, idle = text.split()
    return float(uptime), float(idle)


def parse_processors(cpuinfo: bytes) -> list[int]:
    """The numbers of the CPUs in /proc/cpuinfo."""
    return [int(number) for number in re.findall(rb"^processor\s*: (\d+)$", cpuinfo, re.M)]


def read_again(descriptor: int, size: int = 1 << 20) -> bytes:
    """The file as it is now, as programs do that keep it open."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return read_rest(descriptor, size)


def read_rest(descriptor: int, size: int) -> bytes:
    """All that is left to read, in pieces of a size."""
    pieces = []
    while piece := os.read(descriptor, size):
        pieces.append(piece)
    return b"".join(pieces)
