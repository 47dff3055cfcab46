"""The tests that run in machines, each with its own result here; `pytest tests/vm` runs them.

Debian 12 with cgroup v2 alone, Debian 13 with cgroup v2 alone, and Debian 12 as it is with
`systemd.unified_cgroup_hierarchy=0`: every controller in a v1 hierarchy.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lxc.rootfs import root_filesystem, systemd_root_filesystem
from tests.vm.content import make_content
from tests.vm.image import containers_disk, machine_image
from tests.vm.machine import Machine, NoStatusError, run
from tests.vm.selections import DEBIAN_12, DEBIAN_13, LEGACY, Selection

_PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "cpio", "mkswap")
# A test that has hung has a deadline of its own; this one is for a machine that hangs.
_SECONDS = 1800.0

# One machine at a time: each has as many processors as there are.
pytestmark = pytest.mark.xdist_group("machine")


@pytest.fixture(scope="module")
def can_run_machines() -> None:
    """What it takes to build machines and run them; skips without it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: builds root file systems")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (packages: packaging/prerequisites.sh)")


@pytest.mark.usefixtures("can_run_machines")
@pytest.mark.parametrize("selection", [DEBIAN_12, DEBIAN_13, LEGACY], ids=lambda one: one.name)
def test_in(selection: Selection, tmp_path: Path, subtests: pytest.Subtests) -> None:
    content = tmp_path / "content.tar"
    make_content(content, selection.release, selection.arguments)
    machine = Machine(
        machine_image(selection.release),
        selection.parameters,
        [
            containers_disk(root_filesystem()),
            *(containers_disk(systemd_root_filesystem(release)) for release in selection.systemds),
        ],
    )
    expected: set[str] = set()
    told: set[str] = set()
    for report in _run(machine, content):
        if "selected" in report:
            expected |= set(report["selected"])
        elif "test" in report and report["test"] not in told:
            told.add(report["test"])
            with subtests.test(msg=f"{report['test']} ({report['seconds']} s)"):
                _judge(report, selection)
        elif "status" in report:
            end = report

    assert expected, f"no tests were selected\n{end['log'][-4000:]}"
    assert not expected - told, f"ended without: {expected - told}\n{end['log'][-4000:]}"
    # 1: tests failed, as told above.
    assert end["status"] in (0, 1), end["log"][-4000:]


def _run(machine: Machine, content: Path) -> Iterator[Mapping[str, Any]]:
    """Once more if the machine gives no status at all: qemu's processor is not without faults."""
    try:
        yield from run(machine, content, _SECONDS)
    except NoStatusError as error:
        print(f"once more: the machine ended without a word: {error}")
        yield from run(machine, content, _SECONDS)


def _judge(report: Mapping[str, Any], selection: Selection) -> None:
    if report["outcome"] == "failed":
        pytest.fail(report["text"], pytrace=False)
    if report["outcome"] == "skipped":
        reason = report["text"].removeprefix("Skipped: ")
        # What this machine was made to have must not be skipped for want of it.
        if not any(words in reason for words in selection.may_be_skipped):
            pytest.fail(f"skipped: {reason}", pytrace=False)
        pytest.skip(reason)
