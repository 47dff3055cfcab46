"""Explanations worked out: each number with its formula, in names and in numbers. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lxcfs_py.files import Field
from lxcfs_py.observe.formula import Value, evaluate, in_numbers, in_words


class Line(NamedTuple):
    """One number of a text, explained."""

    name: str
    shown: str
    formula: str
    numbers: str
    """The formula with numbers in it."""
    is_right: bool
    """It gives what is shown."""


def worked_out(terms: Mapping[str, Value], fields: Iterable[Field]) -> list[Line]:
    """Every field; formulas may name terms and fields of a single number."""
    known = list(fields)
    values = dict(terms)
    for field in known:
        if not field.in_words and len(field.shown.split()) == 1:
            values[field.name] = float(field.shown) if "." in field.shown else int(field.shown)
    return [_line(field, values) for field in known]


def _line(field: Field, values: Mapping[str, Value]) -> Line:
    try:
        numbers = in_numbers(field.formula, values)
        is_right = field.in_words or all(
            evaluate(field.formula, values) == float(number) for number in field.shown.split()
        )
    except (KeyError, ValueError):
        numbers, is_right = "?", False
    return Line(field.name, field.shown, in_words(field.formula), numbers, is_right)
