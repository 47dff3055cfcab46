"""Which tests run in which machine: emulated, all of them would take hours."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """A machine, and what runs in it."""

    name: str
    release: str
    arguments: Sequence[str]
    """Of pytest."""
    parameters: str = ""
    """Of the kernel."""
    systemds: Sequence[str] = ()
    """The releases of the systemd containers that its tests start."""
    may_be_skipped: Sequence[str] = ()
    """Reasons, or words of them; a test that is skipped for any other has failed."""


_OPTIONS = ("-q", "-p", "no:cacheprovider")

DEBIAN_12 = Selection(
    name="debian-12",
    release="bookworm",
    arguments=(*_OPTIONS, "tests/lxc/test_views.py", "tests/lxc/test_hook.py"),
)

DEBIAN_13 = Selection(
    name="debian-13",
    release="trixie",
    arguments=(*_OPTIONS, "tests/lxc/test_views.py", "tests/lxc/test_hook.py"),
)

LEGACY = Selection(
    name="debian-12-legacy",
    release="bookworm",
    parameters="systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1",
    arguments=(*_OPTIONS, "tests/lxc/test_systemd.py", "-k", "privileged"),
    systemds=("bookworm",),
)
