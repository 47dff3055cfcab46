"""The Debian package, built once; and a Debian to install it in, of which nothing remains."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lxc.rootfs import systemd_root_filesystem

_REPOSITORY = Path(__file__).parents[2]

# With namespaces of its own, so that every mount and process in it ends with it.
_IN_A_DEBIAN = """
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
cd "$2/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir srv/packages
mount --bind "$3" srv/packages
cp /etc/resolv.conf etc/resolv.conf
cd /
exec chroot "$2/root" sh -e
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that this checkout makes."""
    directory = tmp_path_factory.mktemp("deb")
    command = ["nice", f"{_REPOSITORY}/packaging/build-deb", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = directory.iterdir()
    assert done.stdout.endswith(f"{found}\n")
    return found


@pytest.fixture(scope="session")
def next_package(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a later version."""
    tree = tmp_path_factory.mktemp("later") / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 9."))
    (code,) = tree.glob("usr/lib/lxcfs-py/lib/*/site-packages/lxcfs_py/__init__.py")
    code.write_text('__version__ = "9.0"\n')
    later = package.parent / "later.deb"
    build = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(later)]
    subprocess.run(build, check=True, capture_output=True)
    shutil.rmtree(tree)
    return later


@pytest.fixture
def in_debian(can_mount: None, package: Path, tmp_path: Path) -> Callable[[str], str]:
    """Runs a script in a Debian of this machine's release, and returns what it has printed.

    The packages are in /srv/packages.
    """
    suite = _suite()
    if suite not in ("bookworm", "trixie"):
        pytest.skip(f"the package is for the release it is built on; this is {suite}, not Debian")

    def run(script: str) -> str:
        places = (systemd_root_filesystem(suite), tmp_path, package.parent)
        namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        done = subprocess.run(
            ["nice", *namespaces, "sh", "-ec", _IN_A_DEBIAN, "sh", *places],
            input=script,
            capture_output=True,
            text=True,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def _suite() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line).get("VERSION_CODENAME", "")
