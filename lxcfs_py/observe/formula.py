"""Formulas as files/ states them, `max({MemTotal} - {memory.current}, 0)`: worked out.

Arithmetic, and the functions below; None among the numbers is "no limit".
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence

Number = int | float
Value = Number | None

_TERM = re.compile(r"\{([^{}]+)\}")
_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_FUNCTIONS: Mapping[str, Callable[[Sequence[Number]], Number]] = {
    "min": min,
    "max": max,
    "sum": sum,
    "floor": lambda numbers: math.floor(numbers[0]),
    "ceil": lambda numbers: numbers[0] if math.isinf(numbers[0]) else math.ceil(numbers[0]),
}


def terms_of(formula: str) -> list[str]:
    """The names in a formula, in their order."""
    return _TERM.findall(formula)


def in_words(formula: str) -> str:
    """The formula as people write it."""
    return _TERM.sub(r"\1", formula)


def in_numbers(formula: str, values: Mapping[str, Value]) -> str:
    """The formula with the values in the places of their names; no limit is `max`."""
    return _TERM.sub(lambda found: _written(values[found[1]], "max"), formula)


def _written(value: Value, no_limit: str) -> str:
    return no_limit if value is None else str(value)


def evaluate(formula: str, values: Mapping[str, Value]) -> Number:
    """What a formula gives.

    Raises:
      KeyError: a name has no value.
      ValueError: it is not arithmetic.
    """
    text = _TERM.sub(lambda found: _written(values[found[1]], "no_limit"), formula)
    return _value(ast.parse(text, mode="eval").body)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id="no_limit"):
            return math.inf
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name]([_value(argument) for argument in arguments])
    raise ValueError(f"not arithmetic: {ast.unparse(node)}")
