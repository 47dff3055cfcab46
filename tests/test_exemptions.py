"""Globs for cgroups: what they match, and what a container cannot have matched by a name."""

import pytest

from lxcfs_py.exemptions import Exemptions


@pytest.mark.parametrize(
    ("glob", "cgroup", "expected"),
    [
        ("/lxc/web", "/lxc/web", True),
        ("/lxc/web", "/lxc/web/init.scope", True),
        ("/lxc/web/", "/lxc/web", True),
        ("/lxc/web", "/lxc/web2", False),
        ("/lxc/web", "/other/lxc/web", False),
        ("/lxc/web?", "/lxc/web2", True),
        ("/lxc/web?", "/lxc/web", False),
        ("/lxc*", "/lxc.payload.web/a/b", True),
        ("/lxc/*", "/lxc", False),
        ("/lxc/*", "/lxc/web", True),
        ("/*/monitor", "/lxc/web/monitor", False),
        ("/a.c", "/abc", False),
        ("/[ab]", "/a", False),
        ("/[ab]", "/[ab]", True),
        ("/", "/", True),
        ("/ä*", "/äb", True),
        ("/system.slice/docker-*.scope", "/system.slice/docker-1f.scope", True),
    ],
)
@pytest.mark.parametrize("line", ["0::{}", "4:cpu,cpuacct:{}", "1:name=systemd:{}"])
def test_what_a_glob_matches(glob: str, cgroup: str, expected: bool, line: str) -> None:
    membership = f"9:pids:/x\n{line.format(cgroup)}\n".encode()

    assert Exemptions([glob]).match(membership) is expected
    assert Exemptions(["/nothing", glob]).match(membership) is expected


def test_no_globs_match_nothing() -> None:
    assert not Exemptions().match(b"0::/\n")
    assert not Exemptions([]).match(b"0::/lxc\n")
