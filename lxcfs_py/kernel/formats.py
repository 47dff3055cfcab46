"""The interface file formats of cgroup v2, which v1's files share.

Documentation/admin-guide/cgroup-v2.rst, "Format".
"""

import functools
from collections.abc import Mapping


def parse_single_value(text: bytes) -> int | None:
    """A file that holds one number, or `max`: None."""
    value = text.strip()
    return None if value == b"max" else int(value)


@functools.lru_cache(maxsize=256)
def parse_flat_keyed(text: bytes) -> Mapping[bytes, int]:
    """`KEY VALUE` lines. Keys are looked up, never matched by prefix or position.

    Remembered by the text: memory.stat of a container that sleeps is the same again, and to parse
    its 45 lines takes 8 us.
    """
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def parse_nested_keyed(text: bytes) -> dict[bytes, Mapping[bytes, bytes]]:
    """`KEY SUB_KEY=VALUE SUB_KEY=VALUE...` lines."""
    nested: dict[bytes, Mapping[bytes, bytes]] = {}
    for line in text.splitlines():
        key, *pairs = line.split()
        nested[key] = dict(_pair(pair) for pair in pairs)
    return nested


def _pair(word: bytes) -> tuple[bytes, bytes]:
    key, _, value = word.partition(b"=")
    return key, value
