"""Docker: a runtime of ours in daemon.json, which adds the hook and goes on as runc; a CDI device.

The runtime is the default, or with --opt-in one to be asked for, as is the device.
"""

from collections.abc import Sequence
from pathlib import Path

from lxcfs_py.errors import CannotRun
from lxcfs_py.install import json_text, oci
from lxcfs_py.install.cdi import device
from lxcfs_py.install.changes import Change, Json, MergedJson, Runtime, Settings, program
from lxcfs_py.install.merge import current_text

_DAEMON_JSON = "/etc/docker/daemon.json"
_NAME = "lxcfs-py"
_DEFAULT = ("default-runtime",)


def _changes(settings: Settings) -> Sequence[Change]:
    values: dict[tuple[str, ...], Json] = {("runtimes", _NAME): {"path": oci.WRAPPER}}
    if settings.opt_in:
        values["features", "cdi"] = True
    else:
        values[_DEFAULT] = _NAME
    programs: list[Change] = [oci.hook(settings), oci.wrapper(settings)]
    if settings.opt_in:
        programs.append(device(settings))
    return [*programs, MergedJson(_DAEMON_JSON, values)]


def _check(root: Path, settings: Settings) -> None:
    oci.check(root, settings)
    path = root / _DAEMON_JSON.lstrip("/")
    text = current_text(path)
    default = json_text.get(text, _DEFAULT) if text and text.strip() else None
    if not settings.opt_in and default not in (None, "runc", _NAME):
        raise CannotRun(
            f"{path}: the default-runtime is {default}, which ours would replace by runc; give"
            f" --opt-in, or remove that line"
        )


RUNTIME = Runtime(
    found_by=program("dockerd"),
    changes=_changes,
    then="restart docker; containers that are made from then on have them; with --opt-in, those"
    " of docker run --runtime lxcfs-py, or since Docker 25 --device lxcfs-py/view=all",
    check=_check,
)
