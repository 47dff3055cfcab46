"""What takes long to build is built once, and found again by what goes into it."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_KEPT_SECONDS = 14 * 24 * 3600


def cache_directory() -> Path:
    """Anybody may go through it: the users of unprivileged containers must."""
    base = os.environ.get("XDG_CACHE_HOME", "/var/cache")
    directory = Path(base) / "lxcfs-py-tests"
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    return directory


def cached(kind: str, ingredients: tuple[str, ...], build: Callable[[Path], None]) -> Path:
    """Return the directory that `build` makes of these ingredients; calls it when there is none.

    `build` gets a path at which nothing is; if it fails, nothing remains there.
    """
    cache = cache_directory()
    key = hashlib.sha256("\0".join(ingredients).encode()).hexdigest()
    directory = cache / f"{kind}-{key[:16]}"
    if directory.is_dir():
        with suppress(OSError):  # in a machine the cache is read-only
            os.utime(directory)
        return directory
    with (cache / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist: several would build it at once
        if not directory.is_dir():
            partial = directory.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            try:
                build(partial)
                partial.rename(directory)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            _remove_unused(cache, kind)
    return directory


def _remove_unused(cache: Path, kind: str) -> None:
    """What nobody has asked for in two weeks was made of something that is different now."""
    for directory in cache.glob(f"{kind}-*"):
        if directory.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(directory)
