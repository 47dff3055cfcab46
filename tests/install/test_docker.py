"""`install docker`: daemon.json is merged into, and left as it was."""

import json
from pathlib import Path

import pytest

from lxcfs_py.cli import main

_DAEMON_JSON = "etc/docker/daemon.json"
_RUNTIMES = {"lxcfs-py": {"path": "/usr/libexec/lxcfs-py/oci-runtime"}}

# Tabs, no newline at the end, a runtime of one's own, empty objects.
_TEXTS = [
    '{\n\t"log-driver": "local",\n\t"runtimes": {"kata": {"path": "/opt/kata"}}\n}',
    '{ "features": {} , "runtimes": { } }\n',
    '{"features": {"cdi": false}, "default-runtime": "runc"}',
    "{}",
    " \n",
    "",
]


@pytest.fixture
def daemon_json(tmp_path: Path) -> Path:
    path = tmp_path / _DAEMON_JSON
    path.parent.mkdir(parents=True)
    return path


def _run(command: str, root: Path, *options: str) -> int:
    return main([command, "docker", "--root", str(root), *options])


def _files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [(), ("--opt-in",)], ids=["always", "opt-in"])
@pytest.mark.parametrize("text", _TEXTS)
def test_uninstall_leaves_the_file_as_it_was(
    tmp_path: Path, daemon_json: Path, text: str, options: tuple[str, ...]
) -> None:
    daemon_json.write_text(text)
    daemon_json.chmod(0o600)
    before = _files(tmp_path)
    assert _run("install", tmp_path, *options) == 0
    merged = json.loads(daemon_json.read_text())
    assert _run("uninstall", tmp_path) == 0

    assert merged["runtimes"].items() >= _RUNTIMES.items()
    assert _files(tmp_path) == before
    assert daemon_json.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("options", [(), ("--opt-in",)], ids=["always", "opt-in"])
def test_a_file_that_was_not_there_goes(tmp_path: Path, options: tuple[str, ...]) -> None:
    _run("install", tmp_path, *options)
    assert _DAEMON_JSON in "".join(_files(tmp_path))
    _run("uninstall", tmp_path)

    assert _files(tmp_path) == {}


def test_always_makes_it_the_default(tmp_path: Path) -> None:
    _run("install", tmp_path)

    assert json.loads((tmp_path / _DAEMON_JSON).read_text()) == {
        "runtimes": _RUNTIMES,
        "default-runtime": "lxcfs-py",
    }
    assert not (tmp_path / "etc/cdi").exists()


def test_opt_in_has_a_runtime_and_a_device(tmp_path: Path) -> None:
    _run("install", tmp_path, "--opt-in")

    assert json.loads((tmp_path / _DAEMON_JSON).read_text()) == {
        "runtimes": _RUNTIMES,
        "features": {"cdi": True},
    }
    assert (tmp_path / "etc/cdi/lxcfs-py.json").exists()


def test_from_one_way_to_the_other(tmp_path: Path, daemon_json: Path) -> None:
    daemon_json.write_text('{\n  "debug": true\n}\n')
    _run("install", tmp_path, "--opt-in")
    _run("install", tmp_path)

    assert json.loads(daemon_json.read_text()).keys() == {"debug", "runtimes", "default-runtime"}
    assert not (tmp_path / "etc/cdi/lxcfs-py.json").exists()
    _run("uninstall", tmp_path)
    assert daemon_json.read_text() == '{\n  "debug": true\n}\n'


def test_a_second_install_changes_nothing(
    tmp_path: Path, daemon_json: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon_json.write_text('{"debug": true}')
    _run("install", tmp_path)
    daemon_json.write_text(daemon_json.read_text().replace("true", "false"))
    edited = daemon_json.read_bytes()
    _run("install", tmp_path)
    capsys.readouterr()
    _run("install", tmp_path)

    lines = capsys.readouterr().out.splitlines()
    assert all(line.endswith(": already in place") for line in lines)
    assert daemon_json.read_bytes() == edited


def test_what_was_edited_in_between_stays(tmp_path: Path, daemon_json: Path) -> None:
    daemon_json.write_text('{\n    "debug": true,\n    "features": {}\n}\n')
    _run("install", tmp_path, "--opt-in")
    text = daemon_json.read_text()
    text = text.replace('"debug": true', '"debug":   false,\n    "bip": "10.1.1.1/24"')
    daemon_json.write_text(text.replace('"cdi": true', '"cdi": true, "buildkit": false'))
    _run("uninstall", tmp_path)

    assert daemon_json.read_text() == (
        '{\n    "debug":   false,\n    "bip": "10.1.1.1/24",\n'
        '    "features": { "buildkit": false}\n}\n'
    )


def test_a_setting_that_was_changed_since_is_not_ours(tmp_path: Path, daemon_json: Path) -> None:
    daemon_json.write_text("{}")
    _run("install", tmp_path)
    daemon_json.write_text(daemon_json.read_text().replace('"lxcfs-py"}', '"crun"}'))
    daemon_json.write_text('{"default-runtime": "crun", "runtimes": {"lxcfs-py": {}}}')
    _run("uninstall", tmp_path)

    assert daemon_json.read_text() == '{"default-runtime": "crun", "runtimes": {"lxcfs-py": {}}}'


def test_a_file_rewritten_by_a_program_loses_only_our_settings(
    tmp_path: Path, daemon_json: Path
) -> None:
    daemon_json.write_text('{"debug": true}')
    _run("install", tmp_path)
    daemon_json.write_text(json.dumps(json.loads(daemon_json.read_text()), indent=8))
    _run("uninstall", tmp_path)

    assert daemon_json.read_text() == '{\n        "debug": true\n}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"debug": true,}', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"runtimes": []}', "runtimes is not an object"),
        ("\xff", "not JSON"),
        ('{"default-runtime": "nvidia"}', "the default-runtime is nvidia"),
    ],
)
def test_what_cannot_be_merged_is_one_line_and_nothing_changes(
    tmp_path: Path,
    daemon_json: Path,
    text: str,
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon_json.write_bytes(text.encode("latin-1"))
    before = _files(tmp_path)

    assert _run("install", tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"lxcfs-py: {daemon_json}: ")
    assert why in error
    assert error.count("\n") == 1
    assert _files(tmp_path) == before


def test_a_symbolic_link_is_not_replaced(
    tmp_path: Path, daemon_json: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon_json.symlink_to("elsewhere.json")

    assert _run("install", tmp_path) == 1
    assert "symbolic link" in capsys.readouterr().err


def test_without_its_record_our_settings_are_still_found(tmp_path: Path, daemon_json: Path) -> None:
    daemon_json.write_text('{"debug": true}')
    _run("install", tmp_path)
    (tmp_path / "var/lib/lxcfs-py/installed/docker.json").unlink()
    _run("uninstall", tmp_path)

    assert list(_files(tmp_path)) == [str(daemon_json)]
    assert daemon_json.read_text() == '{"debug": true}'


@pytest.mark.parametrize("first", [(), ("--opt-in",)], ids=["always", "opt-in"])
@pytest.mark.parametrize("second", [(), ("--opt-in",)], ids=["always", "opt-in"])
def test_installed_again_without_its_record_it_is_still_taken_back(
    tmp_path: Path, daemon_json: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    daemon_json.write_text('{"debug": true}')
    _run("install", tmp_path, *first)
    (tmp_path / "var/lib/lxcfs-py/installed/docker.json").unlink()
    _run("install", tmp_path, *second)
    _run("uninstall", tmp_path)

    assert daemon_json.read_text() == '{"debug": true}'
