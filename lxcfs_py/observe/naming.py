"""What people call a container, by the paths of its cgroups.

Every runtime puts its containers into cgroups of its own naming. A container that makes cgroups
inside its own, and containers in them, can only add to its name: `outer/inner`.
"""

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

_ID = r"(?P<id>[0-9a-f]{64})"
_NAME = r"(?P<name>[\w.@:+-]+)"

# By one component of the path, or by two.
_ONE = (
    ("lxc", rf"lxc\.payload\.{_NAME}"),
    ("docker", rf"docker-{_ID}\.scope"),
    ("podman", rf"libpod-{_ID}(?:\.scope)?"),
    ("containerd", rf"cri-containerd-{_ID}\.scope"),
    ("nerdctl", rf"nerdctl-{_ID}\.scope"),
    ("cri-o", rf"crio-{_ID}(?:\.scope)?"),
    ("nspawn", rf"systemd-nspawn@{_NAME}\.service"),
)
_TWO = (
    ("lxc", "lxc.payload", _NAME),
    ("lxc", "lxc", _NAME),
    ("docker", "docker", _ID),
    ("podman", "libpod_parent", rf"libpod-{_ID}"),
    ("machine", "machine.slice", rf"machine-{_NAME}\.scope"),
    ("kubernetes", r"pod[0-9a-f_-]{36}", _ID),
)
_POD = re.compile(r"(?:kubepods[a-z-]*-)?pod(?P<uid>[0-9a-f]{8}[0-9a-f_-]{28})(?:\.slice)?")
# systemd writes other characters so: systemd.unit(5), "String Escaping".
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_PRINTABLE = re.compile(r"[^\w.@:+-]", re.ASCII)
_ID_SHOWN = 12

_ONE_FORMS = tuple((runtime, re.compile(form, re.ASCII)) for runtime, form in _ONE)
_TWO_FORMS = tuple(
    (runtime, re.compile(above, re.ASCII), re.compile(form, re.ASCII))
    for runtime, above, form in _TWO
)


class Name(NamedTuple):
    """What a container is called."""

    name: str
    """As its runtime has it, or the first 12 digits of its id; the cgroup's, if nobody's."""
    runtime: str = ""
    """Empty if it is not known."""
    id: str = ""
    """All 64 digits, for runtimes that have such ids."""
    pod: str = ""
    """The unique id of its Kubernetes pod."""


def name_of(paths: Iterable[str]) -> Name:
    """The name of a container whose cgroups have these paths: those in the several hierarchies."""
    return _name_of(frozenset(paths))


@functools.lru_cache(maxsize=1024)
def _name_of(paths: frozenset[str]) -> Name:
    longest_first = sorted(paths, key=lambda path: (-len(path), path))
    for path in longest_first:
        found = _by_runtime(_components(path))
        if found is not None:
            return found
    components = _components(longest_first[0]) if longest_first else []
    return Name(components[-1] if components else "-")


def _components(path: str) -> list[str]:
    parts = (_ESCAPED.sub(lambda found: chr(int(found[1], 16)), part) for part in path.split("/"))
    return [_PRINTABLE.sub("?", part) for part in parts if part]


def _by_runtime(components: list[str]) -> Name | None:
    """The name by what of the path is a runtime's, from the outermost on."""
    found: list[Name] = []
    pod = ""
    for above, component in zip(["", *components], components, strict=False):
        in_pod = _POD.fullmatch(component)
        if in_pod is not None:
            pod = in_pod["uid"].replace("_", "-")
        name = _one(above, component)
        # `docker/ID` of the cgroup driver lies in no other `docker`: one component, one name.
        if name is not None:
            found.append(name._replace(pod=pod))
    if not found:
        return None
    return found[-1]._replace(name="/".join(name.name for name in found))


def _one(above: str, component: str) -> Name | None:
    for runtime, form in _ONE_FORMS:
        match = form.fullmatch(component)
        if match is not None:
            return _name(runtime, match)
    for runtime, form_above, form in _TWO_FORMS:
        match = form.fullmatch(component) if form_above.fullmatch(above) else None
        if match is not None:
            return _name(runtime, match)
    return None


def _name(runtime: str, match: re.Match[str]) -> Name:
    groups = match.groupdict()
    if "id" in groups:
        return Name(groups["id"][:_ID_SHOWN], runtime, groups["id"])
    return Name(groups["name"], runtime)
