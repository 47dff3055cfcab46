"""Where a daemon keeps what outlives its processes: below RUNTIME_DIR, which a boot empties."""

import os
import stat
import zlib
from contextlib import suppress

from lxcfs_py.observe.place import parse_place
from lxcfs_py.options import Options

SOCKET = "ask"
"""Where a worker is asked (observe/)."""


def kept_directory(runtime_dir: str) -> str:
    """All daemons' files."""
    return os.path.join(runtime_dir, "lxcfs-py")


def kept_file(options: Options, what: str) -> str:
    """The file in which something of this mount point is kept; another daemon's has another."""
    os.makedirs(kept_directory(options.runtime_dir), mode=0o700, exist_ok=True)
    return kept_path(options.runtime_dir, options.mountpoint, what)


def kept_path(runtime_dir: str, mountpoint: str, what: str) -> str:
    """Where that is, whether there is a daemon or not."""
    return os.path.join(kept_directory(runtime_dir), f"{what}-{number_of(mountpoint)}")


def remove_sockets(options: Options) -> None:
    """Remove where workers have listened: each takes its predecessor's place, the last stays."""
    paths = [kept_file(options, SOCKET)]
    if options.metrics:
        paths.append(parse_place(options.metrics).path)
    for path in paths:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)


def number_of(mountpoint: str) -> str:
    """What tells one daemon from another, where a path would be too long or nobody's business."""
    return f"{zlib.crc32(os.path.abspath(mountpoint).encode()):08x}"
