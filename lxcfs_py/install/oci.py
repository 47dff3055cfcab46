"""What all OCI runtimes run: the hook, and for those without hook settings a runtime in between."""

import subprocess
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install.changes import PROGRAMS, OwnFile, Settings, content_of

HOOK = f"{PROGRAMS}/oci-hook"
_PYTHON = ("/usr/bin/python3", "-IS")  # as its first line says
WRAPPER = f"{PROGRAMS}/oci-runtime"


def hook(settings: Settings) -> OwnFile:
    """The program; its settings tell it the mount point."""
    return OwnFile(HOOK, content_of("oci/oci_hook.py"), 0o755)


def wrapper(settings: Settings) -> OwnFile:
    """The runtime that adds the hook and goes on as runc."""
    return OwnFile(WRAPPER, content_of("oci/oci_runtime.py", settings.mountpoint), 0o755)


def check(root: Path, settings: Settings) -> None:
    """A hook that cannot be executed would keep every container from starting: try it.

    Raises:
      CannotRun: there is no Python for it, or an old one.
    """
    if root != Path("/"):
        return  # the machine that it is for is another
    program = [*_PYTHON, "-c", hook(settings).content.decode()]  # without a mount point: nothing
    try:
        done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise CannotRun(f"{_PYTHON[0]}: {error.strerror}; the hook needs it: install it") from error
    if done.returncode != 0:
        reason = (done.stderr.splitlines() or ["no reason given"])[-1]
        raise CannotRun(f"{_PYTHON[0]}: cannot execute the hook ({reason}); it needs Python 3.9")
