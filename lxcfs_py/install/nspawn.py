"""systemd-nspawn: lines in a machine's settings, and an order for its unit.

systemd has no settings for all machines, so each is installed for by its name.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from lxcfs_py.install.changes import (
    Change,
    MergedLines,
    OwnFile,
    Runtime,
    Settings,
    content_of,
    program,
)

_OPTIONAL = ("pressure", "slabinfo")
"""What kernels are built or started without, in /proc."""


def is_machine(name: str) -> bool:
    """Whether a machine can have this name: hostname_is_valid() in systemd."""
    return len(name) <= 64 and bool(re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", name))


def runtime_of(machine: str) -> Runtime:
    """How systemd-nspawn is told of us, for one machine."""

    def changes(settings: Settings) -> Sequence[Change]:
        return [
            # A machine whose settings name a file that is not there does not start.
            OwnFile(
                f"/etc/systemd/system/systemd-nspawn@{machine}.service.d/lxcfs-py.conf",
                content_of("nspawn/unit.conf"),
            ),
            MergedLines(f"/etc/systemd/nspawn/{machine}.nspawn", _lines(settings)),
        ]

    return Runtime(
        found_by=program("systemd-nspawn"),
        changes=changes,
        then="run systemctl daemon-reload; the machine has them from its next start on",
        has_opt_in=False,  # the others are not installed for
    )


def _lines(settings: Settings) -> str:
    """The settings, without the files that this kernel does not have."""
    mountpoint = settings.mountpoint.replace(":", "\\:")  # else it would end the source
    lines = content_of("nspawn/lxcfs-py.nspawn", mountpoint).decode().splitlines(keepends=True)
    missing = [f"/{name}\n" for name in _OPTIONAL if not Path("/proc", name).exists()]
    return "".join(line for line in lines if not line.endswith(tuple(missing)))
