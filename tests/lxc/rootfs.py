"""The root file systems of the containers: small Debians, built once, and never written to."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

_DEBIAN = (
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    "--aptopt=Apt::Install-Recommends false",
)
# coreutils, in any case: nproc; procps: free, uptime and top; busybox: a reboot without an init
# system; lxc: containers in containers.
_SMALL = (*_DEBIAN, "--include=procps,busybox,lxc", "bookworm")
# libpam-systemd: user sessions; lxc: containers in containers. Masked: what needs the machine's
# kernel (debugfs, tracefs, modules), or a network.
_SYSTEMD = (
    *_DEBIAN,
    "--include=systemd,systemd-sysv,dbus,libpam-systemd,procps,lxc",
    '--customize-hook=systemctl --root="$1" mask sys-kernel-debug.mount sys-kernel-tracing.mount'
    " systemd-modules-load.service lxc.service lxc-net.service lxc-monitord.service",
    '--customize-hook=chroot "$1" useradd --create-home --shell /bin/bash somebody',
)


def root_filesystem() -> Path:
    """Return the directory of one without an init system; builds it (20 s, 230 MB) when it is not
    in the cache.

    Raises:
      RuntimeError: it could not be built; shows the end of mmdebstrap's log.
    """
    return _cached(_SMALL)


def systemd_root_filesystem(suite: str) -> Path:
    """Return the directory of one that systemd boots (40 s to build, 300 MB).

    Raises: as root_filesystem().
    """
    return _cached((*_SYSTEMD, suite))


def _cached(command: tuple[str, ...]) -> Path:
    cache = _cache_directory()
    key = hashlib.sha256("\0".join(command).encode()).hexdigest()
    directory = cache / f"rootfs-{key[:16]}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist: several would build it at once
        if not directory.is_dir():
            _build(command, directory)
    return directory


def _cache_directory() -> Path:
    """Anybody may go through it: the users of unprivileged containers must."""
    base = os.environ.get("XDG_CACHE_HOME", "/var/cache")
    directory = Path(base) / "lxcfs-py-tests"
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    return directory


def _build(command: tuple[str, ...], directory: Path) -> None:
    partial = directory.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    done = subprocess.run(["nice", *command, str(partial)], capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise RuntimeError(f"mmdebstrap: {done.stderr[-2000:]}")
    partial.rename(directory)
