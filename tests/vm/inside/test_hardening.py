"""What the unit's settings promise, asked of the kernel, and tried from inside of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.inside.service import UNIT, Service, field, run

# capability.h
_CAPABILITIES = {
    **{"chown": 0, "dac_override": 1, "dac_read_search": 2, "fowner": 3, "net_admin": 12},
    **{"sys_module": 16, "sys_rawio": 17, "sys_chroot": 18, "sys_ptrace": 19, "sys_admin": 21},
    **{"sys_boot": 22, "sys_nice": 23, "sys_resource": 24, "sys_time": 25, "setuid": 7},
}
_DROP_IN = Path(f"/run/systemd/system/{UNIT}.d/try.conf")
_ATTEMPTS = Path(__file__).parent / "attempts.py"
_OUTCOMES = Path("/run/lxcfs-py-attempts")


def _numbers(words: str) -> int:
    return sum(1 << _CAPABILITIES[word.removeprefix("cap_")] for word in words.split())


def test_what_every_process_of_it_has(service: Service) -> None:
    allowed = _numbers(service.show("CapabilityBoundingSet"))
    processes = service.processes()

    assert len(processes) == 3  # supervisor, template, worker
    for pid in processes:
        assert int(field(pid, "CapBnd"), 16) == allowed
        assert int(field(pid, "CapEff"), 16) & ~allowed == 0
        assert field(pid, "NoNewPrivs") == "1"
        assert field(pid, "Seccomp") == "2"
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "-900\n"


def test_its_score(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    report = run("systemd-analyze", "security", "--no-pager", UNIT)
    (score,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", report)
    with capsys.disabled():
        print(f"\nsystemd-analyze security: {score}")

    assert float(score) <= 5.0


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, str]]:
    """What attempts.py came to, run with the unit's settings: the name of an errno, or `done`."""
    _DROP_IN.parent.mkdir(parents=True)
    python = "/usr/lib/lxcfs-py/bin/python3"
    _DROP_IN.write_text(f"[Service]\nExecStartPost={python} {_ATTEMPTS} {_OUTCOMES}\n")
    try:
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", UNIT)
        yield json.loads(_OUTCOMES.read_text())
    finally:
        _DROP_IN.unlink()
        _DROP_IN.parent.rmdir()
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", UNIT)
        _OUTCOMES.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("attempt", "errnos"),
    [
        ("open the disk", {"EPERM"}),
        ("make a device", {"EPERM"}),
        ("set the clock", {"EPERM"}),
        ("set the host's name", {"EPERM"}),
        ("load a module", {"EPERM"}),
        ("capture packets", {"EAFNOSUPPORT"}),
        ("make a user namespace", {"EPERM"}),
        ("make a network namespace", {"EPERM"}),
        # EACCES: of PR_SET_MDWE, by which systemd does it since Linux 6.3.
        ("have memory that is written and run", {"EPERM", "EACCES"}),
        ("become another user", {"EPERM"}),
        ("make a program set-user-ID", {"EPERM"}),
        ("restart the machine", {"EPERM"}),
    ],
)
def test_what_it_cannot_do(outcomes: dict[str, str], attempt: str, errnos: set[str]) -> None:
    assert outcomes[attempt] in errnos


@pytest.mark.parametrize("attempt", ["open /dev/fuse", "make a mount namespace", "make a cgroup"])
def test_what_it_needs_it_can(outcomes: dict[str, str], attempt: str) -> None:
    assert outcomes[attempt] == "done"
