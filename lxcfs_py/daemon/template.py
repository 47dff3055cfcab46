"""A process that has everything loaded, and makes workers by fork(2).

Loading Python, trio and pyfuse3 takes 0.4 s and more on a busy machine; a fork takes a few
milliseconds. So the next worker serves soon after one has died, however often they do.
"""

import gc
import json
import logging
import os
import select
import signal

from lxcfs_py import __version__, config, log
from lxcfs_py.daemon.channel import Birth, Channel, Template
from lxcfs_py.daemon.worker import Prepared, work
from lxcfs_py.errors import CannotRun
from lxcfs_py.options import Options
from lxcfs_py.syscalls import PR_SET_PDEATHSIG, prctl

_log = logging.getLogger(__name__)

_DESCRIPTORS = 3
_ENDING_MAX = 1.0  # seconds


def main(channel_descriptor: int, arguments: list[str]) -> int:
    """Make workers until the supervisor has gone."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The terminal's ^C is for the supervisor.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = Options.from_json(arguments[0])
    channel = Channel.from_descriptor(channel_descriptor)
    if len(arguments) > 2:
        try:
            options = config.again(json.loads(arguments[2]), options)
        except CannotRun as error:
            channel.send(Template(failure=str(error)).to_message())
            return 1
    log.set_up(options.log_level, options.log_format)
    prepared = Prepared(options, mounted_at_ns=int(arguments[1]))
    gc.freeze()  # what is loaded now stays shared with the workers
    channel.send(Template(__version__, options=options.to_json()).to_message())
    return _Nursery(channel, prepared).run()


class _Nursery:
    """The workers that were made, by the pidfd that tells of their end."""

    def __init__(self, channel: Channel, prepared: Prepared) -> None:
        self._channel = channel
        self._prepared = prepared
        self._workers: dict[int, int] = {}
        self._crashed = False
        """The last one that ended was not killed from outside."""
        self._poll = select.poll()

    def run(self) -> int:
        """Make and reap workers."""
        self._poll.register(self._channel, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._channel.fileno():
                    self._reap(descriptor)
                    continue
                message, descriptors = self._channel.receive(_DESCRIPTORS)
                if not message:
                    return 0
                self._make(Birth.from_message(message), descriptors)

    def _make(self, birth: Birth, descriptors: list[int]) -> None:
        for pidfd in list(self._workers):  # it has let go of its channel: how does it end?
            if select.select([pidfd], [], [], _ENDING_MAX)[0]:
                self._reap(pidfd)
        pid = os.fork()
        if pid == 0:
            self._channel.close()
            os._exit(_run(self._prepared, birth, descriptors, crashed=self._crashed))
        for descriptor in descriptors:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        self._workers[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)

    def _reap(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        os.close(pidfd)
        pid = self._workers.pop(pidfd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self._crashed = status not in (0, -signal.SIGKILL)
        if status:
            how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
            _log.error("worker %d ended by %s", pid, how)


def _run(prepared: Prepared, birth: Birth, descriptors: list[int], *, crashed: bool) -> int:
    """A worker's life, in its own process."""
    try:
        connection, init, channel = descriptors
        work(prepared, birth, connection, init, Channel.from_descriptor(channel), crashed=crashed)
    except BaseException:
        _log.exception("worker %d failed", os.getpid())
        return 1
    return 0
