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


_OPTIONS = ("-q", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=1200")
_ON_CGROUP2_ALONE = tuple(
    f"tests/lxc/test_systemd.py::test_{name}"
    for name in (
        "an_unprivileged_container_keeps_its_own_cgroups",
        "on_cgroup2_alone_a_privileged_container_mounts_it_itself",
        "on_cgroup2_alone_an_unprivileged_container_has_its_branch",
    )
)
# Beside the release's own lxcfs, and triggers on real stalls.
_PEERS = ("tests/differential", "tests/mounted/test_pressure.py")
_NO_TREE = "needs a cgroup v1 hierarchy: lxcfs has no tree of v2"
_CRASHES = tuple(
    f"tests/daemon/test_crashes.py::test_{name}"
    for name in (
        *("counters_never_go_back", "a_text_goes_on_in_the_middle", "a_template_is_made_again"),
        *("a_worker_that_does_not_answer", "sigusr2_shows_the_hosts_text_to_all"),
    )
)

DEBIAN_12 = Selection(
    name="debian-12",
    release="bookworm",
    arguments=(
        *_OPTIONS,
        "tests/vm/inside",
        "tests/lxc/test_views.py",
        "tests/lxc/test_hook.py",
        *_ON_CGROUP2_ALONE,
        *_CRASHES,
        *_PEERS,
    ),
    systemds=("bookworm",),
    # Clouds' kernels have none; Debian 13 runs with the other one.
    may_be_skipped=("this kernel has no zswap", _NO_TREE),
)

DEBIAN_13 = Selection(
    name="debian-13",
    release="trixie",
    parameters="zswap.enabled=1",
    systemds=("bookworm",),
    arguments=(
        *_OPTIONS,
        "tests/vm/inside",
        "tests/lxc/test_views.py",
        *_ON_CGROUP2_ALONE,
        *_CRASHES,
        *_PEERS,
    ),
    may_be_skipped=(_NO_TREE,),
)

LEGACY = Selection(
    name="debian-12-legacy",
    release="bookworm",
    parameters="systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1",
    arguments=(
        *_OPTIONS,
        "tests/lxc/test_systemd.py",
        # What the other machines skip.
        "tests/differential/test_same_cgroup_tree.py",
        "tests/differential/test_differs_cgroup_tree.py",
        "tests/vm/inside/test_package.py::test_a_restart_loses_no_mount",
        "tests/vm/inside/test_package.py::test_a_kill_of_the_main_process_loses_no_mount",
        "-k",
        "not test_systemd or (privileged-bookworm or privileged-trixie) and not unprivileged",
    ),
    systemds=("bookworm", "trixie"),
)
