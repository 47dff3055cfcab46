"""Every runtime: what is written where, what several share, and what `--list` says."""

import json
import os
from pathlib import Path

import pytest

from lxcfs_py.cli import main
from lxcfs_py.install.runtimes import RUNTIMES, runtime_of

_GOLDEN = Path(__file__).parent / "golden"
_HOOK = "usr/libexec/lxcfs-py/oci-hook"
_HOOKS_D = "usr/share/containers/oci/hooks.d/lxcfs-py.json"

_NAMES = [*RUNTIMES, "nspawn:web"]
_WAYS = [
    (name, way)
    for name in _NAMES
    for way in ("always", "opt-in")
    if way == "always" or runtime_of(name).has_opt_in
]


def _run(*words: str, root: Path) -> int:
    return main([*words, "--root", str(root)])


def _golden(name: str, way: str) -> Path:
    return _GOLDEN / f"{name.replace(':', '-')}-{way}.txt"


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _as_text(root: Path) -> str:
    """Every file with its mode; of programs, the first line."""
    texts = []
    for path in _files(root):
        mode = path.stat().st_mode & 0o777
        content = path.read_text()
        if mode == 0o755:
            content = content.splitlines()[0] + "\n[...]\n"
        texts.append(f"==> /{path.relative_to(root)} {mode:04o}\n{content}")
    return "\n".join(texts)


@pytest.mark.parametrize(("name", "way"), _WAYS)
def test_what_is_installed_is_what_a_review_has_seen(tmp_path: Path, name: str, way: str) -> None:
    """To accept a change: LXCFS_PY_NEW_GOLDEN=1, then look at git diff."""
    golden = _golden(name, way)
    _run("install", name, *(["--opt-in"] if way == "opt-in" else []), root=tmp_path)
    text = _as_text(tmp_path)
    if os.environ.get("LXCFS_PY_NEW_GOLDEN"):
        golden.write_text(text)

    assert text == golden.read_text()


def test_every_golden_file_is_of_something() -> None:
    assert set(_GOLDEN.iterdir()) == {_golden(name, way) for name, way in _WAYS}


@pytest.mark.parametrize(("name", "way"), _WAYS)
def test_nothing_remains(tmp_path: Path, name: str, way: str) -> None:
    _run("install", name, *(["--opt-in"] if way == "opt-in" else []), root=tmp_path)
    _run("uninstall", name, root=tmp_path)

    assert _files(tmp_path) == []
    assert not (tmp_path / "usr/libexec/lxcfs-py").exists()
    assert not (tmp_path / "var/lib/lxcfs-py").exists()


@pytest.mark.parametrize("name", _NAMES)
def test_the_mount_point_is_filled_in_everywhere(tmp_path: Path, name: str) -> None:
    _run("install", name, "--mountpoint", "/run/views", root=tmp_path)
    texts = [path.read_text() for path in _files(tmp_path)]

    assert any("/run/views" in text for text in texts)
    assert not any("/var/lib/lxcfs" in text.replace("/var/lib/lxcfs-py", "") for text in texts)


def test_a_program_stays_while_others_need_it(tmp_path: Path) -> None:
    _run("install", "podman", "crio", "docker", root=tmp_path)
    _run("uninstall", "podman", root=tmp_path)
    assert (tmp_path / _HOOKS_D).exists()
    _run("uninstall", "crio", root=tmp_path)
    assert not (tmp_path / _HOOKS_D).exists()
    assert (tmp_path / _HOOK).exists()
    _run("uninstall", "docker", root=tmp_path)

    assert _files(tmp_path) == []


def test_what_several_use_has_to_suit_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run("install", "podman", "--opt-in", root=tmp_path)
    before = {path: path.read_bytes() for path in _files(tmp_path)}
    status = _run("install", "crio", root=tmp_path)

    assert status == 1
    assert f"{tmp_path / _HOOKS_D}: podman uses it too" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in _files(tmp_path)} == before


def test_an_older_program_is_replaced_for_all(tmp_path: Path) -> None:
    _run("install", "podman", "docker", root=tmp_path)
    content = (tmp_path / _HOOK).read_bytes()
    (tmp_path / _HOOK).write_bytes(b"older")
    _run("install", "podman", root=tmp_path)

    assert (tmp_path / _HOOK).read_bytes() == content


def test_the_list_says_how_each_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("podman", "dockerd"):
        program = tmp_path / "usr/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch()
    _run("install", "podman", "--opt-in", "--mountpoint", "/run/views", root=tmp_path)
    _run("install", "cdi", "lxc", root=tmp_path)
    (tmp_path / "etc/cdi/lxcfs-py.json").write_text("{}")
    capsys.readouterr()
    status = _run("install", "--list", root=tmp_path)

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        f"cdi         installed; install again, for this differs: {tmp_path}/etc/cdi/lxcfs-py.json",
        "containerd  not installed; containerd not found here",
        "crio        not installed; crio not found here",
        "docker      not installed",
        "lxc         installed; lxc not found here",
        "podman      installed, opt-in, for /run/views",
    ]


def test_files_that_a_package_brought_count_as_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a record of ours: the same content in place is what makes it installed."""
    _run("install", "lxc", root=tmp_path)
    assert not (tmp_path / "var").exists()
    capsys.readouterr()
    _run("install", "lxc", root=tmp_path)

    assert all(line.endswith("already in place") for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("words", [("nspawned",), ("podman", "x")])
def test_an_unknown_runtime_is_wrong_use(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        _run("install", *words, root=tmp_path)

    assert stopped.value.code == 2
    assert _files(tmp_path) == []


def test_a_runtime_without_opt_in_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("install", "podman", "lxc", "--opt-in", root=tmp_path) == 1
    assert capsys.readouterr().err == "lxcfs-py: lxc: has no --opt-in; leave it out\n"
    assert _files(tmp_path) == []


def test_a_damaged_record_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("install", "docker", root=tmp_path)
    record = tmp_path / "var/lib/lxcfs-py/installed/docker.json"
    record.write_text(json.dumps({"files": 3}))

    assert _run("uninstall", "docker", root=tmp_path) == 1
    assert capsys.readouterr().err.startswith(f"lxcfs-py: {record}: cannot be read")
