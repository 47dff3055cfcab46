"""Whether the hook can be executed is tried before anything names it."""

import subprocess
import sys

import pytest

# In a mount namespace with something else for the Python that executes hooks. Ours goes on.
_SCRIPT = """
import os, sys
import lxcfs_py.install.command
from lxcfs_py.cli import main
from lxcfs_py.syscalls import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare

unshare(CLONE_NEWNS)
mount(None, "/", None, MS_REC | MS_PRIVATE)
mount(sys.argv[1], os.path.realpath("/usr/bin/python3"), None, MS_BIND)
sys.exit(main(["install", sys.argv[2], "--dry-run"]))
"""


def _install(runtime: str, python: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _SCRIPT, python, runtime]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.usefixtures("can_mount")
@pytest.mark.parametrize("runtime", ["podman", "crio", "docker", "containerd", "cdi"])
def test_without_python_nothing_is_installed(runtime: str) -> None:
    done = _install(runtime, "/etc/passwd")

    assert done.returncode == 1
    assert done.stderr == (
        "lxcfs-py: /usr/bin/python3: Permission denied; the hook needs it: install it\n"
    )


@pytest.mark.usefixtures("can_mount")
def test_with_a_python_that_cannot_execute_it_nothing_is_installed() -> None:
    done = _install("podman", "/bin/false")

    assert done.returncode == 1
    assert "/usr/bin/python3: cannot execute the hook (no reason given)" in done.stderr


@pytest.mark.usefixtures("can_mount")
def test_with_python_it_goes_on() -> None:
    done = _install("podman", "/usr/bin/python3")

    assert done.returncode == 0
    assert "+++ /usr/libexec/lxcfs-py/oci-hook" in done.stdout
