"""Members put into JSON text and taken out of it; every other byte stays.

A member goes in first in its object, with the space that was there before the first one: taking it
out gives the text from before, and whatever was edited elsewhere in between is kept.
"""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from lxcfs_py.install.changes import Json

_decoder = json.JSONDecoder()
_space = re.compile(r"[ \t\n\r]*")


class _Member(NamedTuple):
    before: int
    """Where it begins, with the space in front of it: after `{` or `,`."""
    value: int
    end: int
    """Behind its value."""


class _Object(NamedTuple):
    start: int
    """Behind `{`."""
    space: str
    """What follows that."""
    members: dict[str, _Member]


def get(text: str, keys: Sequence[str]) -> Json | None:
    """The value that keys lead to; None if there is none.

    Raises:
      ValueError: this is no JSON object.
    """
    value: Json = _parse(text)
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def raw(text: str, keys: Sequence[str]) -> str | None:
    """The same as it stands in the text."""
    found = _find(text, keys)
    return None if found is None else text[found.value : found.end]


def put(text: str, keys: Sequence[str], value: str) -> str:
    """Set what keys lead to; `value` is JSON text. Objects that are missing are made.

    Raises:
      ValueError: this is no JSON object; something on the way is there and is none.
    """
    found = _find(text, keys)
    if found is not None:
        return text[: found.value] + value + text[found.end :]
    parent = _scan(text, _after_space(text, 0))
    depth = 0
    while (member := parent.members.get(keys[depth])) is not None:
        depth += 1
        if text[member.value] != "{":
            raise ValueError(f"{'.'.join(keys[:depth])} is not an object")
        parent = _scan(text, member.value)
    for key in reversed(keys[depth + 1 :]):
        value = f"{{{json.dumps(key)}: {value}}}"
    new = f"{parent.space}{json.dumps(keys[depth])}: {value}{',' if parent.members else ''}"
    return text[: parent.start] + new + text[parent.start :]


def remove(text: str, keys: Sequence[str]) -> str:
    """Take out what keys lead to, if it is there."""
    found = _find(text, keys)
    if found is None:
        return text
    behind = _after_space(text, found.end)
    if text[behind] == ",":
        return text[: found.before] + text[behind + 1 :]
    if text[found.before - 1] == ",":
        return text[: found.before - 1] + text[found.end :]
    return text[: found.before] + text[found.end :]


def _parse(text: str) -> dict[str, Json]:
    value = _decoder.decode(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _find(text: str, keys: Sequence[str]) -> _Member | None:
    _parse(text)
    found, position = None, _after_space(text, 0)
    for key in keys:
        if text[position] != "{":
            return None
        found = _scan(text, position).members.get(key)
        if found is None:
            return None
        position = found.value
    return found


def _scan(text: str, brace: int) -> _Object:
    """The members of the object that begins here; the text is known to be good JSON."""
    start = _after_space(text, brace + 1)
    found = _Object(brace + 1, text[brace + 1 : start], {})
    before, position = brace + 1, start
    while text[position] != "}":
        key, position = _decoder.raw_decode(text, position)
        value = _after_space(text, _after_space(text, position) + 1)
        _, end = _decoder.raw_decode(text, value)
        found.members[key] = _Member(before, value, end)
        position = _after_space(text, end)
        if text[position] == ",":
            before = position + 1
            position = _after_space(text, before)
    return found


def _after_space(text: str, position: int) -> int:
    match = _space.match(text, position)
    assert match is not None  # it matches nothing, too
    return match.end()
