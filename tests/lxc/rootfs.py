"""The root file system of the containers: a small Debian, built once, and never written to."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

_SUITE = "bookworm"
# coreutils, in any case: nproc; procps: free, uptime and top; busybox: a reboot without an init
# system; lxc: containers in containers.
_PACKAGES = ("procps", "busybox", "lxc")
_BUILD = (
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    "--aptopt=Apt::Install-Recommends false",
    f"--include={','.join(_PACKAGES)}",
    _SUITE,
)


def root_filesystem() -> Path:
    """Return its directory; builds it (20 s, 230 MB) when it is not in the cache.

    Raises:
      RuntimeError: it could not be built; shows the end of mmdebstrap's log.
    """
    cache = _cache_directory()
    key = hashlib.sha256("\0".join(_BUILD).encode()).hexdigest()
    directory = cache / f"rootfs-{key[:16]}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist: several would build it at once
        if not directory.is_dir():
            _build(directory)
    return directory


def _cache_directory() -> Path:
    """Anybody may go through it: the users of unprivileged containers must."""
    base = os.environ.get("XDG_CACHE_HOME", "/var/cache")
    directory = Path(base) / "lxcfs-py-tests"
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    return directory


def _build(directory: Path) -> None:
    partial = directory.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    done = subprocess.run(["nice", *_BUILD, str(partial)], capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise RuntimeError(f"mmdebstrap: {done.stderr[-2000:]}")
    partial.rename(directory)
