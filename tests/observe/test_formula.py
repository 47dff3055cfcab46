"""Formulas with numbers in the places of names."""

import math

import pytest

from lxcfs_py.observe.formula import Value, evaluate, in_numbers, in_words, terms_of

_FORMULA = "max({MemTotal} - {memory.stat.active_file}, 0)"
_VALUES: dict[str, Value] = {"MemTotal": 100, "memory.stat.active_file": 30, "memory.max": None}


def test_a_formula_in_words_and_in_numbers() -> None:
    assert terms_of(_FORMULA) == ["MemTotal", "memory.stat.active_file"]
    assert in_words(_FORMULA) == "max(MemTotal - memory.stat.active_file, 0)"
    assert in_numbers(_FORMULA, _VALUES) == "max(100 - 30, 0)"
    assert in_numbers("min({MemTotal}, {memory.max})", _VALUES) == "min(100, max)"


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("0", 0),
        (_FORMULA, 70),
        ("min({MemTotal}, {memory.max})", 100),
        ("min({memory.max}, {memory.max})", math.inf),
        ("{MemTotal} * 3 // 7", 42),
        ("floor({MemTotal} / 3) + ceil(0.2)", 34),
        ("sum({MemTotal}, 1, -2)", 99),
    ],
)
def test_values(formula: str, value: float) -> None:
    assert evaluate(formula, _VALUES) == value


@pytest.mark.parametrize(
    "formula", ["open('x')", "({MemTotal}).real", "[1]", "'a'", "2 ** 9", "name", "min(*[1])"]
)
def test_nothing_but_arithmetic_is_worked_out(formula: str) -> None:
    with pytest.raises(ValueError, match="not arithmetic"):
        evaluate(formula, _VALUES)


def test_a_name_without_a_value() -> None:
    with pytest.raises(KeyError, match=r"Mem\.Unknown"):
        evaluate("{Mem.Unknown} + 1", _VALUES)
