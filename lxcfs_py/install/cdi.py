"""CDI: a device that a container can be given. Podman, Docker, containerd and CRI-O read it."""

from collections.abc import Sequence

from lxcfs_py.install.changes import Change, OwnFile, Runtime, Settings, content_of
from lxcfs_py.install.oci import check, hook


def device(settings: Settings) -> OwnFile:
    """The specification of the device lxcfs-py/view=all."""
    return OwnFile("/etc/cdi/lxcfs-py.json", content_of("cdi/lxcfs-py.json", settings.mountpoint))


def _changes(settings: Settings) -> Sequence[Change]:
    return [hook(settings), device(settings)]


RUNTIME = Runtime(
    found_by=(),
    changes=_changes,
    check=check,
    then="containers with --device lxcfs-py/view=all have them",
)
