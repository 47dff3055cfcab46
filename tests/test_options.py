"""The daemon's options."""

import argparse

import pytest

from lxcfs_py.options import Options, add_arguments, given


def _options(line: str) -> Options:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    return Options.of(given(parser.parse_args(line.split())))


@pytest.mark.parametrize(
    "line",
    [
        "-d",
        "--debug",
        "-f",
        "--foreground",
        "-l",
        "--enable-loadavg",
        "-o allow_other,nonempty",
        "-p /run/lxcfs.pid",
        "--pidfile /run/lxcfs.pid",
        "--pidfile=/run/lxcfs.pid",
        "-s",
        "-u",
        "--disable-swap",
        "--enable-cfs",
        "--enable-pidfd",
        "--enable-cgroup",
        "--runtime-dir=/run",
        "--runtime-dir /run",
        "--disable-zswap",
        "--enable-psi-poll",
        pytest.param("-s -f -o allow_other", id="lxcfs 2's service"),
        pytest.param("-l -u --enable-cfs --enable-pidfd", id="docker hosts"),
        pytest.param("-lus", id="letters in one word"),
        pytest.param("-f --enable-loadavg --enable-cfs --pidfile=/run/x.pid", id="snap of LXD"),
    ],
)
def test_every_option_of_lxcfs_is_accepted(line: str) -> None:
    assert _options(f"{line} /var/lib/lxcfs").mountpoint == "/var/lib/lxcfs"
    assert _options(f"/var/lib/lxcfs {line}").mountpoint == "/var/lib/lxcfs"


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("", "mountpoint", "/var/lib/lxcfs"),
        ("/mnt", "mountpoint", "/mnt"),
        ("", "pidfile", "/run/lxcfs.pid"),
        ("--runtime-dir /tmp/r", "pidfile", "/tmp/r/lxcfs.pid"),
        ("--runtime-dir /tmp/r -p /p", "pidfile", "/p"),
        ("--runtime-dir /tmp/r", "runtime_dir", "/tmp/r"),
        ("", "metrics", ""),
        ("--metrics 9101", "metrics", "9101"),
        ("--metrics unix:/run/m", "metrics", "unix:/run/m"),
        ("-u", "disable_swap", True),
        ("--disable-zswap", "disable_zswap", True),
        ("--enable-psi-poll", "enable_psi_poll", True),
        ("-d", "debug", True),
        ("-d", "log_level", "debug"),
        ("--strict", "strict", True),
        ("", "cpu_view", "quota"),
        ("--cpu-view cpuset", "cpu_view", "cpuset"),
        ("", "cpu_numbering", "host"),
        ("--cpu-numbering compact", "cpu_numbering", "compact"),
        ("--log-level error", "log_level", "error"),
        ("--log-format json", "log_format", "json"),
        ("-o suid,dev", "fuse_options", ("suid", "dev")),
        ("-o allow_other,nonempty,direct_io", "fuse_options", ()),
        ("-o entry_timeout=0.5,attr_timeout=0.5,max_read=4096", "fuse_options", ("max_read=4096",)),
        ("-o ,", "fuse_options", ()),
        ("--fuse-options suid", "fuse_options", ("suid",)),
        ("--disable-files /proc/swaps,/proc/stat", "disable_files", ("/proc/swaps", "/proc/stat")),
        ("--exempt-cgroups /a/*,/b", "exempt_cgroups", ("/a/*", "/b")),
    ],
)
def test_what_an_option_does(line: str, field: str, value: object) -> None:
    assert getattr(_options(line), field) == value


@pytest.mark.parametrize(
    "line", ["-f", "-s", "-l", "--enable-cfs", "--enable-pidfd", "--enable-cgroup"]
)
def test_what_is_always_so_changes_nothing(line: str) -> None:
    assert _options(line) == _options("") == Options.of({})


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("-o a -o b", id="-o twice"),
        pytest.param("/mnt /other", id="two mount points"),
        pytest.param("--enable", id="abbreviation"),
        pytest.param("--cpu-view all", id="unknown choice"),
        pytest.param("-x", id="unknown option"),
        pytest.param("-p", id="no value"),
        pytest.param("--disable-files /proc/version", id="a file that is not served"),
        pytest.param("--exempt-cgroups lxc", id="a cgroup that is no path"),
    ],
)
def test_wrong_use(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _options(line)
    assert capsys.readouterr().out == ""


def test_a_worker_gets_the_same_options() -> None:
    options = Options(
        mountpoint='/mnt/with "quotes" and\nmore',
        fuse_options=("suid", "dev"),
        cpu_view="cpuset",
        strict=True,
    )

    assert Options.from_json(options.to_json()) == options
