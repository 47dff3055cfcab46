"""The wheel and the source distribution: made, and installed by pip where nothing else is."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import lxcfs_py

_REPOSITORY = Path(__file__).parents[2]
_HOOKS = _REPOSITORY / "mount-hooks"

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of both; the wheel is made of the source distribution."""
    directory = tmp_path_factory.mktemp("dist")
    command = ["nice", sys.executable, "-m", "build", "--outdir", str(directory)]
    done = subprocess.run([*command, str(_REPOSITORY)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (found,) = distributions.glob("*.whl")
    return found


def test_both_are_made(distributions: Path) -> None:
    version = lxcfs_py.__version__

    assert sorted(path.name for path in distributions.iterdir()) == [
        f"lxcfs_py-{version}-py3-none-any.whl",
        f"lxcfs_py-{version}.tar.gz",
    ]


def test_the_wheel_has_the_package_and_the_hooks_and_no_tests(wheel: Path) -> None:
    package = Path(lxcfs_py.__file__).parent
    code = {f"lxcfs_py/{path.relative_to(package)}" for path in package.rglob("*.py")}
    hooks = {
        f"lxcfs_py/mount_hooks/{path.relative_to(_HOOKS)}"
        for path in _HOOKS.rglob("*")
        if path.is_file() and path.suffix != ".md" and "__pycache__" not in path.parts
    }
    data = f"lxcfs_py-{lxcfs_py.__version__}.data/data/share"
    more = {
        "lxcfs_py/py.typed",
        f"{data}/bash-completion/completions/lxcfs-py",
        f"{data}/man/man1/lxcfs-py.1",
        f"{data}/man/man5/lxcfs-py.conf.5",
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == code | hooks | more


def test_the_source_has_what_the_wheel_is_made_of(distributions: Path) -> None:
    (source,) = distributions.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "mount-hooks/lxc/mount.hook"} <= names
    assert {"packaging/man/lxcfs-py.1", "packaging/completion/lxcfs-py"} <= names


def test_pip_installs_it_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [f"{environment}/bin/pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run(["nice", *pip, str(wheel)], check=True)
    root = tmp_path / "root"
    (root / "usr/share/lxc/config/common.conf.d").mkdir(parents=True)

    def run(*words: str) -> str:
        command = [f"{environment}/bin/lxcfs-py", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout

    assert run("--version") == f"lxcfs-py {lxcfs_py.__version__}\n"
    run("install", "lxc", "--root", str(root))
    installed = root / "usr/share/lxcfs-py/lxc/mount.hook"
    assert installed.read_bytes() == (_HOOKS / "lxc/mount.hook").read_bytes()
    assert (environment / "share/man/man1/lxcfs-py.1").exists()
