"""Where metrics may be had: by this machine alone."""

import re

import pytest

from lxcfs_py.observe.place import Place, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("unix:/run/metrics.sock", Place(path="/run/metrics.sock")),
        ("9101", Place(host="127.0.0.1", port=9101)),
        ("127.0.0.1:9101", Place(host="127.0.0.1", port=9101)),
        ("127.8.8.8:1", Place(host="127.8.8.8", port=1)),
        ("localhost:9101", Place(host="127.0.0.1", port=9101)),
        ("[::1]:9101", Place(host="::1", port=9101)),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0.0.0.0:9101", "only this machine may ask"),
        ("[::]:9101", "only this machine may ask"),
        ("10.0.0.1:9101", "only this machine may ask"),
        ("example:9101", "'example' is not an address"),
        (":9101", "'' is not an address"),
        ("0", "neither unix:PATH nor PORT nor ADDRESS:PORT"),
        ("65536", "neither unix:PATH"),
        ("٣", "neither unix:PATH"),
        ("", "neither unix:PATH"),
        ("127.0.0.1", "neither unix:PATH"),
        ("127.0.0.1:", "neither unix:PATH"),
        ("/run/metrics.sock", "neither unix:PATH"),
        ("unix:", "needs a path from the root on"),
        ("unix:run/metrics.sock", "needs a path from the root on"),
        ("unix:/run/", "needs a path from the root on"),
    ],
)
def test_what_is_no_place_or_others_could_reach(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        parse_place(text)
