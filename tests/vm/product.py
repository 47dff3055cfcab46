"""What is installed in a machine: lxcfs-py as a package of its release, and what tests need.

Both are made in a Debian of that release with a compiler, of which nothing else remains.
"""

import os
import subprocess
import tomllib
from pathlib import Path

from tests.lxc.rootfs import DEBIAN, mmdebstrap
from tests.support.cache import cached

REPOSITORY = Path(__file__).parents[2]

_BUILD_PACKAGES = (
    *("debhelper", "gcc", "libc6-dev", "libfuse3-dev", "pkg-config", "python3-dev"),
    *("python3-venv", "python3-pip", "ca-certificates", "fuse3"),
)
# The package's sources: `assemble` of packaging/build-deb.
_SOURCES = ("lxcfs_py", "mount-hooks", "packaging", "pyproject.toml", "README.md", "CHANGELOG.md")
# Tools for the code, not for its tests.
_NOT_FOR_TESTS = ("mypy", "ruff")

# $0 tree, $1 an empty directory for what changes, $2 checkout, $3 output, then a command line for
# the shell in the tree. The machine's certificates, for an index that is reached through a proxy.
_IN_TREE = """
tree=$0 scratch=$1 checkout=$2 output=$3
shift 3
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
root=$scratch/root
mount -t overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
mkdir "$root/checkout" "$root/output"
mount --bind -o ro "$checkout" "$root/checkout"
mount --bind "$output" "$root/output"
exec chroot "$root" sh -ec "$1"
"""


def package(release: str) -> Path:
    """The package, built by packaging/build-deb (a minute, when it is not in the cache).

    Raises:
      RuntimeError: it could not be built; shows the end of the log.
    """
    texts = [f"{path}\n{_text(path)}" for path in _sources()]
    command = "/checkout/packaging/build-deb /output"

    tree = _build_tree(release)

    def build(directory: Path) -> None:
        _in_tree(tree, command, directory)

    (found,) = cached("package", (release, *_BUILD_PACKAGES, *texts), build).glob("*.deb")
    return found


def test_tools(release: str) -> Path:
    """A directory for PYTHONPATH with what pyproject.toml names for tests.

    Raises: as package().
    """
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["optional-dependencies"]["test"]
    tools = [tool for tool in wanted if not tool.startswith(_NOT_FOR_TESTS)]
    words = " ".join(f"'{tool}'" for tool in tools)
    command = f"python3 -m pip install --no-cache-dir --target /output {words}"

    tree = _build_tree(release)

    def build(directory: Path) -> None:
        _in_tree(tree, command, directory)

    return cached("tools", (release, *tools), build)


def _sources() -> list[Path]:
    found = []
    for name in _SOURCES:
        path = REPOSITORY / name
        found += sorted(path.rglob("*")) if path.is_dir() else [path]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def _in_tree(tree: Path, command: str, output: Path) -> None:
    output.mkdir()
    scratch = output.with_suffix(".scratch")
    scratch.mkdir(exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.lower().endswith("_proxy") or name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
    }
    environment |= {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    places = [tree, scratch, REPOSITORY, output]
    try:
        done = subprocess.run(
            ["nice", "unshare", "--mount", "sh", "-ec", _IN_TREE, *places, command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        scratch.rmdir()
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout[-3000:]}")


def _build_tree(release: str) -> Path:
    command = (*DEBIAN, f"--include={','.join(_BUILD_PACKAGES)}", release)
    return cached("build", command, lambda directory: mmdebstrap(command, directory))
