"""Debian 13 as the root file system of a machine with its engines, built once."""

from pathlib import Path

from tests.lxc.rootfs import DEBIAN, mmdebstrap
from tests.support.cache import cached

# Docker 26 knows CDI; the hook is in Python; grpcio: what speaks to containerd as Kubernetes does.
_ENGINES = (
    "docker.io,docker-cli,docker-compose,containerd,runc,crun,podman,systemd-container,"
    "python3,python3-grpcio"
)


def debian_13() -> Path:
    """Return the directory (75 s to build, 600 MB).

    Raises:
      RuntimeError: it could not be built; shows the end of mmdebstrap's log.
    """
    command = (*DEBIAN, f"--include={_ENGINES}", "trixie")
    return cached("engines", command, lambda directory: mmdebstrap(command, directory))
