"""What all OCI runtimes run: the hook, and for those without hook settings a runtime in between."""

import os
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install.changes import PROGRAMS, OwnFile, Settings, content_of

HOOK = f"{PROGRAMS}/oci-hook"
WRAPPER = f"{PROGRAMS}/oci-runtime"


def hook(settings: Settings) -> OwnFile:
    """The program; its settings tell it the mount point."""
    return OwnFile(HOOK, content_of("oci/oci_hook.py"), 0o755)


def wrapper(settings: Settings) -> OwnFile:
    """The runtime that adds the hook and goes on as runc."""
    return OwnFile(WRAPPER, content_of("oci/oci_runtime.py", settings.mountpoint), 0o755)


def check(root: Path, settings: Settings) -> None:
    """Programs that cannot be executed would keep every container from starting.

    Raises:
      CannotRun: what executes them is not there.
    """
    if root == Path("/") and not os.access("/usr/bin/python3", os.X_OK):
        raise CannotRun("/usr/bin/python3: not there, and the hook is a program of it; install it")
