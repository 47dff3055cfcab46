"""The engines' programs that a test cannot do without."""

import shutil

import pytest


def need(*programs: str) -> None:
    """Skip without these."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = "podman, crun, runc, docker.io, containerd and mmdebstrap"
        pytest.skip(f"needs {', '.join(missing)} (packages {packages})")
