"""The engines' programs that a test cannot do without."""

import shutil

import pytest

_PACKAGES = (
    "podman, crun, runc, docker.io, docker-compose, containerd, systemd-container, lxc, uidmap,"
    " util-linux, mmdebstrap"
)


def need(*programs: str) -> None:
    """Skip without these."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (of the packages {_PACKAGES})")
