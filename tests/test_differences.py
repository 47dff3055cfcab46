"""docs/differences.md: each row has its test in tests/differential, and each test its row."""

import re
from collections import Counter
from pathlib import Path

_REPOSITORY = Path(__file__).parents[1]
_PAGE = _REPOSITORY / "docs/differences.md"
_TESTS = _REPOSITORY / "tests/differential"


def _rows() -> list[list[str]]:
    lines = [line for line in _PAGE.read_text().splitlines() if line.startswith("|")]
    rows = [line.strip("|").split("|") for line in lines if not line.startswith("|---")]
    return [[cell.strip() for cell in row] for row in rows if row[-1].strip() != "test"]


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    named = Counter(row[-1].strip("`") for row in _rows())
    defined = Counter(
        name
        for path in _TESTS.glob("test_differs_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    )

    assert named == defined
    assert max(defined.values()) == 1


def test_every_row_is_complete() -> None:
    for row in _rows():
        assert len(row) == 4, row
        assert all((row[0], row[1])), row
