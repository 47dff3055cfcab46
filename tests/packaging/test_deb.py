"""The Debian package: what is in it, what lintian says of it, and its life on a Debian."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lxcfs_py import __version__

# It takes a minute to build, so once; and apt-get waits for no other.
pytestmark = pytest.mark.xdist_group("deb")

# What it depends on is somebody else's, and there before anything is counted.
_PREPARE = """
exec 3>&1 >/var/log/prepare 2>&1 || exit 1
trap 'cat /var/log/prepare >&3' EXIT
apt-get -q update
apt-get -q install -y --no-install-recommends {depends} </dev/null
dpkg-query -W {depends}
trap - EXIT
exec >&3 2>&1
"""


def _listing(package: Path) -> list[str]:
    done = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True)
    return [line.split()[5].removeprefix(".") for line in done.stdout.splitlines()]


def _field(package: Path, name: str) -> str:
    command = ["dpkg-deb", "-f", str(package), name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_it_is_what_lxc_recommends(package: Path) -> None:
    assert package.name.startswith(f"lxcfs-py_{__version__}_")
    for field in ("Provides", "Conflicts", "Replaces"):
        assert _field(package, field) == "lxcfs"
    assert re.search(r"\bpython3\.\d+\b", _field(package, "Depends"))
    assert "libfuse3" in _field(package, "Depends")


def test_it_is_small(package: Path) -> None:
    assert package.stat().st_size < 1 << 20
    assert int(_field(package, "Installed-Size")) < 6 << 10


def test_it_has_what_it_takes_and_no_more(package: Path) -> None:
    paths = _listing(package)

    for path in (
        "/etc/lxcfs-py.conf",
        "/usr/bin/lxcfs-py",
        "/usr/share/bash-completion/completions/lxcfs-py",
        "/usr/share/lxc/config/common.conf.d/00-lxcfs-py.conf",
        "/usr/share/lxcfs-py/lxc/mount.hook",
        "/usr/share/man/man1/lxcfs-py.1.gz",
        "/usr/share/man/man5/lxcfs-py.conf.5.gz",
    ):
        assert path in paths
    assert any(path.endswith("/systemd/system/lxcfs-py.service") for path in paths)
    unwanted = r"/__pycache__/|/_?tests?/|\.(pyc|pyx|pyi|c|h)$|/pip|/setuptools|/pygments"
    assert [path for path in paths if re.search(unwanted, path)] == []


def test_lintian_has_nothing_to_say(package: Path) -> None:
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", str(package)]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_its_life(in_debian: Callable[[str], str], package: Path, next_package: Path) -> None:
    """Installed, upgraded while it serves, removed, purged: nothing of it remains."""
    depends = " ".join(re.findall(r"(?:^|, )([^ ,]+)", _field(package, "Depends")))
    printed = in_debian(
        f"""{_PREPARE.format(depends=depends)}
        files() {{
            find / -xdev -path /var/log -prune -o -path /var/cache -prune -o -path /tmp -prune \
                -o -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -print | sort
        }}
        files >/tmp/before
        apt-get -q install -y /srv/packages/lxcfs-py_*.deb >/var/log/install 2>&1
        echo "version: $(lxcfs-py --version)"
        echo "enabled: $(systemctl is-enabled lxcfs-py)"
        lxcfs-py check-config >/dev/null
        systemd-analyze verify --man=no lxcfs-py.service
        systemd-analyze security --offline=yes --threshold=50 lxcfs-py.service | tail -n 1
        ls /usr/lib/lxcfs-py/lib/*/site-packages/lxcfs_py/__pycache__ | grep -c pyc

        # In a directory that somebody else may write to.
        mkdir /tmp/trap
        echo 'open("/tmp/trap/sprung", "w")' | tee /tmp/trap/json.py >/tmp/trap/lxcfs_py.py
        cd /tmp/trap
        lxcfs-py >/var/log/daemon 2>&1 &
        daemon=$!
        until grep -q serves /var/log/daemon; do kill -0 $daemon; done
        read -r up idle </var/lib/lxcfs/proc/uptime

        echo "strict = true" >>/etc/lxcfs-py.conf
        apt-get -q install -y /srv/packages/later.deb >>/var/log/install 2>&1 </dev/null
        echo "kept: $(tail -n 1 /etc/lxcfs-py.conf)"
        read -r up idle </var/lib/lxcfs/proc/uptime
        kill -0 $daemon
        lxcfs-py upgrade
        read -r up idle </var/lib/lxcfs/proc/uptime
        kill $daemon
        wait $daemon
        [ ! -e /tmp/trap/sprung ]

        apt-get -q remove -y lxcfs-py >>/var/log/install 2>&1
        echo "conffile: $(ls /etc/lxcfs-py.conf)"
        apt-get -q purge -y lxcfs-py >>/var/log/install 2>&1
        files >/tmp/after
        echo "remains:"
        comm -13 /tmp/before /tmp/after
        """
    )

    lines = printed.splitlines()
    assert lines[0] == f"version: lxcfs-py {__version__}"
    assert lines[1] == "enabled: enabled"
    assert re.search(r"exposure level for lxcfs-py.service: [0-4]\.\d", lines[2]), lines
    assert int(lines[3]) > 20
    assert lines[4:] == [
        "kept: strict = true",
        f"upgraded from {__version__} to 9.0",
        "conffile: /etc/lxcfs-py.conf",
        "remains:",
    ]
