"""What is looked at whether anybody asks or not: the threads that count for load averages.

A task beside the requests. It looks at a few threads at a time and lets requests be answered in
between: state that it has read of a container before such a pause it reads again after it.
"""

import trio

from lxcfs_py.caller import Containers
from lxcfs_py.cgroup.threads import States, count_states
from lxcfs_py.container import Container
from lxcfs_py.files.loadavg import INTERVAL

_AT_ONCE = 32  # 0.3 ms


async def sample_loads(containers: Containers) -> None:
    """Move every container's load averages on, for ever; forget those that have ended."""
    while True:
        await trio.sleep(INTERVAL)
        for container in containers:
            if container.removed:  # while we were waiting, to make room
                continue
            try:
                container.refresh()
                # Most containers sleep most of the time: one read tells.
                threads = None if container.is_asleep() else container.list_threads()
            except OSError:
                containers.forget(container)
                continue
            await _sample(container, threads)
            await trio.lowlevel.checkpoint()


async def _sample(container: Container, threads: list[int] | None) -> None:
    running = blocked = 0
    for start in range(0, len(threads or ()), _AT_ONCE):
        states = count_states((threads or [])[start : start + _AT_ONCE])
        running, blocked = running + states.running, blocked + states.blocked
        await trio.lowlevel.checkpoint()
    container.add_sample(None if threads is None else States(running, blocked))
    container.save()
