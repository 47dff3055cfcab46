"""The tar file that a machine runs: package, tests, what these need, and which of them to run."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tests.vm.product import REPOSITORY, package, test_tools


def make_content(target: Path, release: str, selection: Sequence[str]) -> None:
    """Write it. The checkout's package is left out: what is tested is the installed one.

    `selection` are arguments of pytest.
    """
    packaged = package(release)
    with tarfile.open(target, "w") as tar:
        for name in ("tests", "pyproject.toml"):
            tar.add(REPOSITORY / name, name, filter=_without_caches)
        tar.add(test_tools(release), "tools")  # compiled, which takes a while in there
        tar.add(packaged, f"package/{packaged.name}")
        lines = "\n".join(selection).encode()
        entry = tarfile.TarInfo("selection")
        entry.size = len(lines)
        tar.addfile(entry, io.BytesIO(lines))


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
