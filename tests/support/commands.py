"""The commands that ask a daemon, as its administrator runs them."""

import subprocess
import sys

from tests.support.daemon import Daemon


def lxcfs_py(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `lxcfs-py WORDS` for a daemon."""
    place = ["--mountpoint", str(daemon.mountpoint), "--runtime-dir", str(daemon.mountpoint.parent)]
    command = [sys.executable, "-m", "lxcfs_py", *words, *place]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
