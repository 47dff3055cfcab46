"""/proc/slabinfo: the container's slab caches where v1 counts them, else none.

Documentation/filesystems/proc.rst, 1.3; mm/slab_common.c. The host's would tell a container what
its neighbours do.
"""

from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile

_HEADER_LINES = 2


class Inputs(NamedTuple):
    """Both texts."""

    host: bytes
    slabinfo: bytes


def gather(sources: Sources) -> Inputs | None:
    """Read both."""
    slabinfo = sources.slabinfo()
    return None if slabinfo is None else Inputs(sources.host_text("proc/slabinfo"), slabinfo)


def render(inputs: Inputs) -> bytes:
    """The container's text, or the header alone."""
    if inputs.slabinfo:
        return inputs.slabinfo
    return b"".join(inputs.host.splitlines(keepends=True)[:_HEADER_LINES])


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`."""
    shown = str(max(len(text.splitlines()) - _HEADER_LINES, 0))
    words = "the cgroup's own" if inputs.slabinfo else "the header alone: no cgroup tells"
    return Explanation({}, (Field("caches", shown, words, in_words=True),))


FILES = (VirtualFile("proc/slabinfo", 8, gather, render, explain, mode=0o400),)
