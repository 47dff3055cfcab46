"""Fixtures: a copy of the package that a test may change."""

import shutil
from pathlib import Path

import pytest

import lxcfs_py


@pytest.fixture
def installed(can_mount: None, tmp_path: Path) -> Path:
    """The directory that the package lies in."""
    original = Path(lxcfs_py.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(original, tmp_path / "lxcfs_py", ignore=ignored)
    return tmp_path
