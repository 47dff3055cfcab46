"""The root file systems of the containers: small Debians, built once, and never written to."""

import subprocess
from pathlib import Path

from tests.support.cache import cached

DEBIAN = (
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    "--aptopt=Apt::Install-Recommends false",
)
# coreutils, in any case: nproc; procps: free, uptime and top; busybox: a reboot without an init
# system; lxc: containers in containers.
_SMALL = (*DEBIAN, "--include=procps,busybox,lxc", "bookworm")
# libpam-systemd: user sessions; lxc: containers in containers. Masked: what needs the machine's
# kernel (debugfs, tracefs, modules), or a network.
_SYSTEMD = (
    *DEBIAN,
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
    return cached("rootfs", command, lambda directory: mmdebstrap(command, directory))


def mmdebstrap(command: tuple[str, ...], directory: Path) -> None:
    """Build a root file system in `directory`.

    Raises:
      RuntimeError: it could not be built; shows the end of mmdebstrap's log.
    """
    done = subprocess.run(["nice", *command, str(directory)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"mmdebstrap: {done.stderr[-2000:]}")
