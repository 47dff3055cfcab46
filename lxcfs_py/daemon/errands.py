"""Processes that the supervisor has do something once, so as not to load what it takes itself."""

import os
import sys
from collections.abc import Callable

from lxcfs_py.daemon.generation import kill
from lxcfs_py.options import Options


class Errands:
    """Those that are under way."""

    def __init__(self, options: Options) -> None:
        """None yet; each gets the daemon's options."""
        self._options = options
        self._then: dict[int, Callable[[int], None]] = {}

    def send_for(self, module: str, then: Callable[[int], None] = lambda _: None) -> None:
        """Run a module; `then` is called with its exit status."""
        command = [sys.executable, "-m", module, self._options.to_json()]
        self._then[os.posix_spawn(command[0], command, os.environ)] = then

    def are_under_way(self) -> bool:
        """Whether any has yet to be reaped."""
        return bool(self._then)

    def reap(self) -> None:
        """A child has ended, perhaps one of these."""
        for pid, then in list(self._then.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._then[pid]
                then(os.waitstatus_to_exitcode(status))

    def end(self) -> None:
        """End them all."""
        for pid in self._then:
            kill(pid)
            os.waitpid(pid, 0)
        self._then.clear()
