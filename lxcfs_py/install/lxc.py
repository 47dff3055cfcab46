"""LXC and Incus: a mount hook, and a drop-in that every container's configuration includes."""

from collections.abc import Sequence
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install.changes import Change, OwnFile, Runtime, Settings, content_of, program

_SHARE = "/usr/share/lxcfs-py/lxc"
_DROP_INS = "/usr/share/lxc/config/common.conf.d"
_RIVAL = f"{_DROP_INS}/00-lxcfs.conf"


def _changes(settings: Settings) -> Sequence[Change]:
    return [
        OwnFile(path, content_of(f"lxc/{Path(path).name}", settings.mountpoint), mode)
        for path, mode in (
            (f"{_SHARE}/mount.hook", 0o755),
            (f"{_SHARE}/reboot.hook", 0o755),
            (f"{_DROP_INS}/00-lxcfs-py.conf", 0o644),
        )
    ]


def _check(root: Path, settings: Settings) -> None:
    rival = root / _RIVAL.lstrip("/")
    if rival.exists():
        raise CannotRun(
            f"{rival}: another hook binds over the same files, and would hide these; remove its"
            f" package, or divert the file (dpkg-divert --rename --add {rival})"
        )


RUNTIME = Runtime(
    found_by=program("lxc-start") + program("incusd"),
    changes=_changes,
    then="containers that are started from now on have them",
    has_opt_in=False,  # a container that is not to have them: lxc.hook.mount in its own file
    recorded=False,
    check=_check,
)
