"""Debian's lxcfs on a mount of its own."""

import functools
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.mounts import unmount_below
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Peer:
    """An lxcfs that serves at `mountpoint`."""

    process: "subprocess.Popen[bytes]"
    mountpoint: Path


@functools.cache
def version() -> tuple[int, ...]:
    """lxcfs' version: (5, 0, 3)."""
    done = subprocess.run(["lxcfs", "--version"], capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    assert found is not None, done
    return tuple(int(number) for number in found[0].split("."))


@contextmanager
def running_lxcfs(*options: str) -> Iterator[Peer]:
    """Start it; nothing remains of it."""
    with TemporaryDirectory(prefix=f"lxcfs-py-test-{os.getpid()}-lxcfs-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # unprivileged callers come through it
        (directory / "mnt").mkdir()
        words = ["lxcfs", "-f", *options, "-p", f"{directory}/pid", f"{directory}/mnt"]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        try:
            peer = Peer(process, directory / "mnt")
            wait_until(lambda: _serves(peer), "lxcfs serves")
            yield peer
        finally:
            process.kill()  # SIGTERM takes up to 5 s: the thread of its load averages sleeps
            process.wait()
            unmount_below(directory)


def _serves(peer: Peer) -> bool:
    assert peer.process.poll() is None, (peer.mountpoint.parent / "log").read_text()
    return (peer.mountpoint / "proc").is_dir()
