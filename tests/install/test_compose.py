"""`install compose`: a file with a service that others extend."""

from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from lxcfs_py.cli import main

_GOLDEN = Path(__file__).parent / "printed" / "compose.yaml"


def _printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["install", "compose", *words]) == 0
    return capsys.readouterr().out


def test_the_text_is_what_a_review_has_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """To accept a change: print it into this file, then look at git diff."""
    assert _printed(capsys) == _GOLDEN.read_text()


def test_it_is_what_compose_reads(capsys: pytest.CaptureFixture[str]) -> None:
    text = _printed(capsys)

    PyCompose.from_yaml(text).to_spec()  # by the specification's schema
    with pytest.raises(ValueError, match="create_the_host_path"):
        PyCompose.from_yaml(text.replace("create_host_path", "create_the_host_path"))


def test_each_file_is_bound_over_its_like(capsys: pytest.CaptureFixture[str]) -> None:
    (service,) = yaml.safe_load(_printed(capsys, "--mountpoint", "/run/views"))["services"].values()

    assert len(service["volumes"]) == 9
    for volume in service["volumes"]:
        assert volume["source"] == f"/run/views{volume['target']}"
        assert volume["read_only"]
        assert volume["bind"] == {"create_host_path": False}
