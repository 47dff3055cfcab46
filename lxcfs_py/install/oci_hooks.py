"""Podman, CRI-O, and containerd with NRI's hook-injector: oci-hooks(5).

They read the same directory, the packages' one: CRI-O has no other. What is installed for one of
them is there for all.
"""

from collections.abc import Sequence

from lxcfs_py.install.changes import Change, OwnFile, Runtime, Settings, content_of, program
from lxcfs_py.install.oci import check, hook


def hook_settings(settings: Settings) -> OwnFile:
    """The file that names the hook."""
    way = "opt-in" if settings.opt_in else "always"
    content = content_of(f"podman/{way}.json", settings.mountpoint)
    return OwnFile("/usr/share/containers/oci/hooks.d/lxcfs-py.json", content)


def _changes(settings: Settings) -> Sequence[Change]:
    return [hook(settings), hook_settings(settings)]


PODMAN = Runtime(
    found_by=program("podman"),
    changes=_changes,
    check=check,
    then="containers that are started from now on have them; with --opt-in, those of"
    " podman run --annotation lxcfs-py/view=true",
)
CRIO = Runtime(
    found_by=program("crio"),
    changes=_changes,
    check=check,
    then="containers that are started from now on have them; with --opt-in, those of pods with"
    ' the annotation lxcfs-py/view: "true"',
)
