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
_LOOK_AGAIN = 12
"""A container that sleeps is looked for each time this many steps have gone by: a minute."""


async def sample_loads(containers: Containers) -> None:
    """Move every container's load averages on, for ever; forget those that have ended."""
    step = 0
    while True:
        await trio.sleep(INTERVAL)
        step += 1
        for number, container in enumerate(containers, start=step):
            if number % _AT_ONCE == 0:  # a pause is 15 us, a sleeping container 5
                await trio.lowlevel.checkpoint()
            if container.removed:  # while we were waiting, to make room
                continue
            container.rest()
            try:
                threads = _look_at(container, closely=number % _LOOK_AGAIN == 0)
            except OSError:
                containers.forget(container)
                continue
            await _sample(container, threads)


def _look_at(container: Container, *, closely: bool) -> list[int] | None:
    """The threads of a container; None: they sleep, as in the last sample.

    Most sleep most of the time, which one read tells; and who sleeps does not end.

    Raises:
      OSError: the container has ended.
    """
    try:
        if container.is_asleep() and not closely:
            return None
    except OSError:
        container.close_files()  # it was moved, and the cgroup removed
    container.follow()
    return container.list_threads()


async def _sample(container: Container, threads: list[int] | None) -> None:
    running = blocked = 0
    for start in range(0, len(threads or ()), _AT_ONCE):
        states = count_states((threads or [])[start : start + _AT_ONCE])
        running, blocked = running + states.running, blocked + states.blocked
        await trio.lowlevel.checkpoint()
    container.add_sample(None if threads is None else States(running, blocked))
    container.save()
