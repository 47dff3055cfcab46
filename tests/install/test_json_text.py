"""Members in JSON text: put in and taken out, and every other byte as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxcfs_py.install.json_text import get, put, raw, remove

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_objects = st.dictionaries(st.sampled_from("abc"), _values, max_size=3)
_styles = st.sampled_from(
    [(None, None), (2, None), ("\t", None), (4, (" ,", " : ")), (None, (",", ":"))]
)
_space = st.text(" \n\t\r", max_size=3)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    indent, separators = draw(_styles)
    text = json.dumps(draw(_objects), indent=indent, separators=separators)
    return draw(_space) + text + draw(_space)


@given(text=_texts(), keys=st.sampled_from([("new",), ("new", "x"), ("a", "new")]))
def test_what_was_put_in_is_taken_out_without_a_trace(text: str, keys: tuple[str, ...]) -> None:
    if len(keys) > 1 and not isinstance(json.loads(text).get(keys[0], {}), dict):
        with pytest.raises(ValueError, match="not an object"):
            put(text, keys, "1")
        return
    was_there = len(keys) == 1 or keys[0] in json.loads(text)
    changed = put(text, keys, '["value"]')

    assert get(changed, keys) == ["value"]
    assert remove(changed, keys if was_there else keys[:1]) == text


@given(text=_texts())
def test_nothing_else_changes(text: str) -> None:
    changed = json.loads(put(text, ("new",), "1"))

    assert changed.pop("new") == 1
    assert changed == json.loads(text)


@given(text=_texts(), key=st.sampled_from("abc"))
def test_a_value_is_replaced_and_comes_back(text: str, key: str) -> None:
    old = raw(text, (key,))
    if old is not None:
        assert put(put(text, (key,), "{}"), (key,), old) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{"new": 1}'),
        ('{"a": 1}', '{"new": 1,"a": 1}'),
        ('{\n  "a": 1\n}\n', '{\n  "new": 1,\n  "a": 1\n}\n'),
    ],
)
def test_it_looks_like_what_was_there(before: str, after: str) -> None:
    assert put(before, ("new",), "1") == after


@pytest.mark.parametrize(
    ("edited", "left"),
    [
        ('{\n  "b": 2,\n  "new": 1,\n  "a": 1\n}', '{\n  "b": 2,\n  "a": 1\n}'),
        ('{\n  "a": 1,\n  "new": 1\n}', '{\n  "a": 1\n}'),
        ('{\n  "new": 1\n}', "{\n}"),
        ('{"new": 1 , "a": {"new": 3}}', '{ "a": {"new": 3}}'),
        ('{"a": "new", "x": "}"}', '{"a": "new", "x": "}"}'),
    ],
)
def test_what_was_edited_in_between_stays(edited: str, left: str) -> None:
    assert remove(edited, ("new",)) == left


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1,}', "{} {}", '{"a": }'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        put(text, ("a",), "1")
