"""What is explained is what is rendered: every number of every golden text, by its formula."""

import re
from pathlib import Path

import pytest

from lxcfs_py.files import AnyVirtualFile, Explanation
from lxcfs_py.observe.formula import evaluate
from tests.files.test_golden import CASES, golden_case

_NUMBER = re.compile(r"\d+(?:\.\d+)?")

# Fields that no arithmetic leads to: which CPUs, and texts as they are.
_IN_WORDS = {"CPUs", "caches", "processor", "cpu number", "rows"}


def _explained(case: str) -> tuple[AnyVirtualFile, str, Explanation | None]:
    file, sources, expected = golden_case(case)
    inputs = file.gather(sources)
    return file, expected.decode(), None if inputs is None else file.explain(inputs, expected)


def _numbers_of(file: AnyVirtualFile, text: str) -> list[str]:
    """The numbers that a reader of the file takes from it, in their order."""
    name = Path(file.path).name
    lines = [line for line in text.splitlines() if line.strip()]
    if name in ("meminfo", "stat"):
        return [word for line in lines for word in line.split()[1:] if word != "kB"]
    if name == "swaps":
        return [word for line in lines[1:] for word in line.split()[2:]]
    if name == "diskstats":
        return [word for line in lines for word in line.split()[3:]]
    if name == "slabinfo":
        return [str(max(len(lines) - 2, 0))]
    if name == "cpuinfo":
        ours = r"^(?:processor|cpu number|siblings|cpu cores|# processors)\s*:?\s*(\d+)"
        return re.findall(ours, text, re.M)
    return re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", text)


@pytest.mark.parametrize("case", CASES)
def test_every_number_is_explained(case: str) -> None:
    file, text, explanation = _explained(case)

    if explanation is None:
        assert case.endswith("root-cgroup"), "the host's text"
    else:
        shown = [n for field in explanation.fields for n in _NUMBER.findall(field.shown)]
        assert shown == _numbers_of(file, text)


@pytest.mark.parametrize("case", CASES)
def test_the_formula_gives_the_number(case: str) -> None:
    _, _, explanation = _explained(case)
    if explanation is None:
        return
    values = dict(explanation.terms)
    for field in explanation.fields:
        if len(field.shown.split()) == 1 and not field.in_words:
            values[field.name] = float(field.shown)

    for field in explanation.fields:
        if field.in_words:
            assert field.name.removeprefix("cpu").lstrip("0123456789 ") in {"", *_IN_WORDS} or (
                field.name in _IN_WORDS
            )
            continue
        for number in field.shown.split():
            assert evaluate(field.formula, values) == float(number), (field, values)


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("cpuinfo/")])
def test_what_is_not_explained_of_cpuinfo_is_the_hosts(case: str) -> None:
    file, text, explanation = _explained(case)
    if explanation is None:
        return
    _, sources, _ = golden_case(case)
    hosts = set(sources.host_text(file.path).decode(errors="replace").splitlines())
    changed = [line for line in text.splitlines() if line not in hosts]
    explained = {number for field in explanation.fields for number in field.shown.split()}

    for line in changed:
        number = re.search(r"\d+", line)
        assert number is not None
        assert number[0] in explained


def test_a_wrong_formula_is_noticed() -> None:
    """The tests above can fail."""
    _, _, explanation = _explained("meminfo/limit-256-MiB")
    assert explanation is not None
    free = next(field for field in explanation.fields if field.name == "MemFree")
    values = {**explanation.terms, "MemTotal": 262144}

    assert evaluate(free.formula, values) == float(free.shown)
    assert evaluate(free.formula.replace("memory.current", "memory.max"), values) == 0
