"""Whoever asks: lxcfs and ours agree on which container it is of."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from tests.differential.agreement import check_cpus, check_meminfo, check_swaps, check_uptime
from tests.differential.pair import Pair
from tests.support import agent
from tests.support.cgroups import TestCgroup, own_cgroup
from tests.support.container import Agent, Container, running_agent, running_container
from tests.support.proc import parse_meminfo

_MIB = 1 << 20


def _check_everything(pair: Pair, who: Agent, *, mib: int) -> None:
    assert check_meminfo(pair, who)["MemTotal"] == mib * 1024
    check_cpus(pair, who, 1)
    check_swaps(pair, who)
    check_uptime(pair, who)


@contextmanager
def _someone_in(outer: Container, where: str) -> Iterator[Agent]:
    """A process of the container that is not its init."""
    with ExitStack() as stack:
        if where == "a nested container":
            yield stack.enter_context(running_container(outer.cgroup, inside=outer))
        elif where == "a cgroup below":
            below = outer.cgroup.make_child("below", pass_on=False)
            yield stack.enter_context(running_agent(below, enter=outer))
        else:
            yield stack.enter_context(running_agent(TestCgroup("."), enter=outer))


@pytest.mark.parametrize("where", ["a nested container", "a cgroup below", "the host's cgroups"])
def test_processes_of_a_container(pair: Pair, container: Container, where: str) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    container.cgroup.limit_cpus("0")
    with _someone_in(container, where) as someone:
        _check_everything(pair, someone, mib=256)
        _check_everything(pair, container, mib=256)


def test_init_scope_is_not_its_cgroup(pair: Pair) -> None:
    with own_cgroup("systemd") as cgroup:
        cgroup.limit_memory(256 * _MIB)
        cgroup.limit_cpus("0")
        scope = cgroup.make_child("init.scope", pass_on=False)
        with running_container(scope) as container:
            _check_everything(pair, container, mib=256)


def test_without_a_pid_namespace_the_own_cgroup_decides(pair: Pair) -> None:
    with own_cgroup("pid-host") as cgroup, running_agent(cgroup) as process:
        cgroup.limit_memory(256 * _MIB)
        cgroup.limit_cpus("0")

        assert check_meminfo(pair, process)["MemTotal"] == 256 * 1024
        check_cpus(pair, process, 1)


@pytest.mark.parametrize(
    "as_user",
    [
        partial(agent.as_user, agent.read, namespace=100_000),
        partial(agent.as_user, agent.read, uid=1000, gid=1000),
    ],
    ids=["root of a user namespace", "user"],
)
def test_users_without_rights(
    pair: Pair, container: Container, as_user: Callable[[str], bytes]
) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    for name in ("meminfo", "cpuinfo", "swaps"):
        as_root = pair.read(container, f"proc/{name}")
        for path, text in zip(pair.paths(f"proc/{name}"), as_root, strict=True):
            seen = container.call(as_user, path)

            assert len(seen) == len(text)
            if name == "meminfo":
                assert parse_meminfo(seen)["MemTotal"] == 256 * 1024


def test_a_container_beside_another(pair: Pair, container: Container) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    with own_cgroup("beside") as other, running_container(other) as beside:
        other.limit_memory(64 * _MIB)
        for _ in range(3):
            assert check_meminfo(pair, container)["MemTotal"] == 256 * 1024
            assert check_meminfo(pair, beside)["MemTotal"] == 64 * 1024
