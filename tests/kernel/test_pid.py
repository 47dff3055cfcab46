"""/proc/PID/{cgroup,stat,status}."""

import pytest

from lxcfs_py.kernel.pid import (
    parse_effective_capabilities,
    parse_membership,
    parse_ns_pids,
    parse_parent,
    parse_start_time,
    parse_state,
    without_init_scope,
)

_AFTER_NAME = b" S 1 17032 17032 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 328754 30253056 5834\n"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(b"sleep", id="plain"),
        pytest.param(b"tmux: server", id="blank"),
        pytest.param(b"evil) R 1", id="parenthesis-and-a-state"),
        pytest.param(b") S 1 1 (x", id="looks-like-the-end"),
        pytest.param(b"()", id="parentheses"),
        pytest.param(b"line\nbreak", id="newline"),
        pytest.param(b"\xff\xfe", id="not-utf-8"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_command_name_confuses_nobody(name: bytes) -> None:
    stat = b"17032 (" + name + b")" + _AFTER_NAME

    assert parse_start_time(stat) == 328754
    assert parse_state(stat) == b"S"


@pytest.mark.parametrize(
    ("text", "membership"),
    [
        pytest.param(b"0::/\n", {"": "/"}, id="v2-root"),
        pytest.param(b"0::/user.slice/a.scope\n", {"": "/user.slice/a.scope"}, id="v2"),
        pytest.param(
            b"4:memory:/a\n3:cpu,cpuacct:/b\n1:name=systemd:/c\n0::/d\n",
            {"memory": "/a", "cpu,cpuacct": "/b", "name=systemd": "/c", "": "/d"},
            id="hybrid",
        ),
        pytest.param(b"0::/a:b: c\n", {"": "/a:b: c"}, id="colons-and-blanks-in-the-path"),
        pytest.param(b"0::/gone (deleted)\n", {"": "/gone (deleted)"}, id="removed"),
        pytest.param(b"0::/\xff\n", {"": "/\udcff"}, id="not-utf-8"),
        pytest.param(b"0::/../../other\n", {"": "/../../other"}, id="outside-our-cgroup-namespace"),
        pytest.param(b"", {}, id="empty"),
    ],
)
def test_membership(text: bytes, membership: dict[str, str]) -> None:
    assert parse_membership(text) == membership


@pytest.mark.parametrize(
    ("path", "container"),
    [
        ("/lxc.payload.c1/init.scope", "/lxc.payload.c1"),
        ("/init.scope", "/"),
        ("/", "/"),
        ("/a/init.scope/b", "/a/init.scope/b"),
        ("/a/myinit.scope", "/a/myinit.scope"),
        ("/a/init.scope/init.scope", "/a/init.scope"),
        ("/a/init", "/a/init"),
    ],
)
def test_one_trailing_init_scope_is_not_the_containers(path: str, container: str) -> None:
    assert without_init_scope(path) == container


_STATUS = (
    b"Name:\tNSpid:\\nPPid:\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t71\nPid:\t71\nPPid:\t12\n"
    b"NStgid:\t71\t5\t1\nNSpid:\t71\t5\t1\nCapInh:\t0000000000000000\n"
    b"CapEff:\t000001ffffffffff\nSeccomp:\t0\n"
)


def test_status() -> None:
    assert parse_ns_pids(_STATUS) == (71, 5, 1)
    assert parse_parent(_STATUS) == 12
    assert parse_effective_capabilities(_STATUS) == 0x1FFFFFFFFFF


def test_status_of_a_kernel_without_the_field() -> None:
    with pytest.raises(ValueError, match="not found"):
        parse_ns_pids(b"Name:\tsh\nPid:\t1\n")
