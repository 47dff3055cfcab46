"""A process that a daemon starts once if there was one before: what that left in containers.

With `--reattach` it brings the containers back; otherwise it says which command does.
"""

import logging
import os
import shlex
import signal
import sys

from lxcfs_py import log
from lxcfs_py.attach import live_mount
from lxcfs_py.container_mounts import oldest_processes
from lxcfs_py.errors import CannotRun
from lxcfs_py.options import DEFAULT_MOUNTPOINT, Options
from lxcfs_py.reattach import bring_all_back, needs_it
from lxcfs_py.syscalls import PR_SET_PDEATHSIG, prctl

_log = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Look at every container."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(10)  # the first readers go before
    options = Options.from_json(arguments[0])
    log.set_up(options.log_level, options.log_format)
    try:
        served = live_mount(options.mountpoint)
    except CannotRun as error:  # it has ended meanwhile
        _log.warning("%s", error)
        return 1
    if options.reattach:
        for outcome in bring_all_back(served):
            _log.log(logging.ERROR if outcome.failed else logging.INFO, "%s", outcome.line)
        return 0
    if any(needs_it(pid, served) for pid in oldest_processes()):
        command = "lxcfs-py reattach --all"
        if served.mountpoint != DEFAULT_MOUNTPOINT:
            command += f" --mountpoint {shlex.quote(served.mountpoint)}"
        message = "containers have dead mounts of an earlier daemon; this brings them back: %s"
        _log.warning(message, command)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
