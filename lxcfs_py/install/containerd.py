"""containerd: hook and runtime, for its configuration to name (mount-hooks/containerd/README.md).

Its config.toml is not touched: what has to be switched on in it differs between versions.
"""

from collections.abc import Sequence

from lxcfs_py.install.changes import Change, Runtime, Settings, program
from lxcfs_py.install.oci import check, hook, wrapper
from lxcfs_py.install.oci_hooks import hook_settings


def _changes(settings: Settings) -> Sequence[Change]:
    return [hook(settings), wrapper(settings), hook_settings(settings)]


RUNTIME = Runtime(
    found_by=program("containerd"),
    changes=_changes,
    check=check,
    then="name /usr/libexec/lxcfs-py/oci-runtime in config.toml (BinaryName), or run NRI's"
    " hook-injector",
)
