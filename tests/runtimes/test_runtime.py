"""The runtime that adds the hook and goes on as runc, by itself."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from tests.runtimes.needs import need

_PROGRAM = Path(__file__).parents[2] / "mount-hooks/oci/oci_runtime.py"

_spec = importlib.util.spec_from_file_location("oci_runtime", _PROGRAM)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)


@pytest.mark.parametrize(
    ("words", "bundle"),
    [
        ("create --bundle /b id", "/b"),
        ("create -b /b id", "/b"),
        ("create --bundle=/b --pid-file /p id", "/b"),
        ("run -b=/b id", "/b"),
        ("create id", "."),
        ("--root /r --log /l --log-format json create --pid-file /p --bundle /b id", "/b"),
        ("--root create --debug --systemd-cgroup create --bundle /b id", "/b"),
        ("--root=/r create --bundle /b id", "/b"),
        ("start id", None),
        ("--root create start id", None),
        ("exec --process create id", None),
        ("--version", None),
        ("--root", None),
        ("", None),
    ],
)
def test_it_knows_the_bundle(words: str, bundle: str | None) -> None:
    assert _module.bundle_of(words.split()) == bundle


def test_hooks_that_are_there_stay_and_come_first(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    before = {
        "ociVersion": "1.0.2",
        "process": {"args": ["ä"]},
        "hooks": {"prestart": [{"path": "/a"}], "createRuntime": [{"path": "/b"}]},
    }
    path.write_text(json.dumps(before))
    path.chmod(0o640)
    _module.add_hook(str(tmp_path))

    after = json.loads(path.read_text())
    first, ours = after["hooks"].pop("createRuntime")
    assert (first, ours["path"]) == ({"path": "/b"}, "/usr/libexec/lxcfs-py/oci-hook")
    assert ours["env"]  # else the hook may get the container's
    assert after["hooks"] == {"prestart": [{"path": "/a"}]}
    assert after["process"] == before["process"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("hooks", [None, {"createRuntime": None}])
def test_null_is_no_hook(tmp_path: Path, hooks: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"hooks": hooks}))
    _module.add_hook(str(tmp_path))

    added = json.loads((tmp_path / "config.json").read_text())["hooks"]["createRuntime"]
    assert len(added) == 1


@pytest.mark.parametrize("config", ["", "[]", '{"hooks": 3}', '{"hooks": {"createRuntime": 3}}'])
def test_what_it_cannot_change_runc_has_as_it_was(tmp_path: Path, config: str) -> None:
    need("runc")
    (tmp_path / "config.json").write_text(config)
    done = subprocess.run(
        [_PROGRAM, "--root", tmp_path / "state", "create", "--bundle", tmp_path, "id"],
        capture_output=True,
        text=True,
    )

    assert done.stderr.startswith("lxcfs-py: no hook added: ")
    assert done.returncode == 1  # runc has its own opinion of such a configuration
    assert (tmp_path / "config.json").read_text() == config


def test_everything_else_is_runc(tmp_path: Path) -> None:
    need("runc")
    ours = subprocess.check_output([_PROGRAM, "--version"], text=True)

    assert ours == subprocess.check_output(["runc", "--version"], text=True)
