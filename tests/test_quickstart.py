"""`./quickstart`: what a newcomer sees. /run, /var/log and the mount point are the test's own."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[1]
_SECONDS = 120.0

_IN_PRIVATE = """
umount -l /var/lib/lxcfs 2>/dev/null
mount -t tmpfs none /run && mount -t tmpfs none /var/log || exit 125
./quickstart; first=$?
./quickstart; second=$?
kill "$(cat /run/lxcfs.pid)"
exit $((first + second))
"""


def quickstart(*prefix: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, "./quickstart"],
        cwd=_CHECKOUT,
        env=os.environ | ({"PATH": path} if path else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )


def test_not_root_is_one_line() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    done = quickstart("setpriv", "--reuid", "65534", "--clear-groups")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "quickstart: needs root (packages, FUSE, cgroups): sudo ./quickstart\n"


def test_without_apt_it_names_the_packages(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, as quickstart does")
    for name in ("dirname", "id"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    done = quickstart("/bin/sh", path=str(tmp_path))

    assert done.returncode == 1
    assert "libfuse3-dev" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("can_mount")
def test_host_and_container_are_side_by_side() -> None:
    if not (_CHECKOUT / ".venv" / ".installed").exists():
        pytest.skip("needs the .venv that ./run-tests makes; installing it takes too long here")
    # Of a process group of its own, should anything have to be ended.
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", _IN_PRIVATE],
        cwd=_CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise

    rows = [line.split(" | ") for line in output.splitlines() if " | " in line]
    memory = [row[1].split()[1] for row in rows if row[0].startswith("Mem:")]
    assert process.returncode == 0, errors
    assert memory == ["256", "256"]  # the first and the second run
    assert output.count("to stop it: sudo kill ") == 1
    assert max(len(line) for line in output.splitlines() if " | " in line) <= 120
