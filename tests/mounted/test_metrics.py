"""`--metrics`: what Prometheus fetches of a daemon, and what it costs whoever does not want it."""

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.mounted.test_costs import MOST, calls_per_read
from tests.support.commands import lxcfs_py
from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.waiting import wait_until

_DASHBOARD = Path(__file__).parents[2] / "docs/grafana-dashboard.json"

Samples = dict[tuple[str, tuple[str, ...]], float]
"""By name and the values of the labels."""


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def _answer(
    connection: http.client.HTTPConnection, method: str = "GET", path: str = "/metrics"
) -> tuple[int, str, str]:
    """Status, type and text."""
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The socket."""
    return tmp_path_factory.mktemp("metrics") / "socket"


@pytest.fixture(scope="module")
def measured(can_mount: None, place: Path) -> Iterator[Daemon]:
    """A daemon with metrics that nobody else reads from."""
    with running_daemon("--metrics", f"unix:{place}", label="metrics") as daemon:
        wait_until(place.exists, "it listens")
        yield daemon


@pytest.fixture
def container(measured: Daemon) -> Iterator[Container]:
    """A container of that daemon's."""
    with own_container("metrics", files=measured.mountpoint) as one:
        yield one


def _samples(place: Path) -> Samples:
    def fetch() -> tuple[int, str, str] | None:
        try:
            return _answer(_Unix(place))
        except (ConnectionError, FileNotFoundError):
            return None  # a worker is being replaced

    answer = wait_until(fetch, "the metrics are there")
    assert answer is not None
    status, content_type, text = answer
    assert status == 200
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_reads_are_counted_by_file(measured: Daemon, container: Container, place: Path) -> None:
    meminfo, uptime = "proc/meminfo", "proc/uptime"
    before = _samples(place)
    for _ in range(5):
        container.read(f"/{meminfo}")
    after = _samples(place)

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before[name, labels]

    assert grown("lxcfs_py_reads_total", meminfo, "ok") == 10  # the text, and its end
    assert grown("lxcfs_py_read_seconds_count", meminfo) == 10
    assert 0 < grown("lxcfs_py_read_seconds_sum", meminfo) < 5
    assert grown("lxcfs_py_read_seconds_bucket", meminfo, "+Inf") == 10
    assert grown("lxcfs_py_reads_total", uptime, "ok") == 0
    assert after["lxcfs_py_containers", ()] >= 1


def test_what_could_not_be_read_is_counted(measured: Daemon, place: Path) -> None:
    before = _samples(place)
    with own_container("gone", files=measured.mountpoint) as container:
        held = container.open("/proc/meminfo")
        assert os.pread(held, 100, 0)
    try:
        os.pread(held, 100, 0)  # its cgroup has gone with it: the last text
    finally:
        os.close(held)
    after = _samples(place)

    name = "lxcfs_py_reads_total", ("proc/meminfo", "fallback")
    assert after[name] - before[name] == 1
    assert after["lxcfs_py_fallbacks_total", ()] - before["lxcfs_py_fallbacks_total", ()] == 1


def test_errors_are_counted_by_their_names(can_mount: None, tmp_path: Path) -> None:
    with (
        running_daemon("--strict", "--metrics", f"unix:{tmp_path}/m", label="strict") as daemon,
        own_container("strict", files=daemon.mountpoint) as container,
    ):
        held = container.open("/proc/meminfo")
        os.kill(container.pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{container.pid}").exists(), "it has ended")
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(held, 100, 0)
        os.close(held)

        found = _samples(tmp_path / "m")

    assert found["lxcfs_py_reads_total", ("proc/meminfo", "EIO")] == 1


def test_workers_are_counted_and_the_next_one_begins_anew(
    measured: Daemon, container: Container, place: Path
) -> None:
    container.read("/proc/uptime")
    before = _samples(place)
    worker = measured.worker()
    os.kill(worker, signal.SIGKILL)
    measured.next_worker(worker)

    after = _samples(place)

    starts = "lxcfs_py_worker_starts_total", ()
    assert after[starts] == before[starts] + 1
    reads = "lxcfs_py_reads_total", ("proc/uptime", "ok")
    assert before[reads] > 0
    assert after[reads] == 0
    started = "process_start_time_seconds", ()
    assert after[started] >= before[started]


def test_an_upgrade_is_survived(measured: Daemon, place: Path) -> None:
    assert measured.upgrade().returncode == 0

    assert _samples(place)["lxcfs_py_info", (_version(),)] == 1


def _version() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lxcfs_py", "--version"], capture_output=True, text=True
    )
    return done.stdout.split()[1]


def test_memory_of_all_processes(measured: Daemon, place: Path) -> None:
    found = _samples(place)

    for process in ("supervisor", "template", "worker"):
        assert found["lxcfs_py_resident_memory_bytes", (process,)] > 5 << 20


def test_every_metric_of_the_dashboard_exists(measured: Daemon, place: Path) -> None:
    dashboard = json.loads(_DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [one["definition"] for one in dashboard["templating"]["list"] if "definition" in one]
    named = {name for query in queries for name in re.findall(r"\b(?:lxcfs_py|process)_\w+", query)}
    labels = {label for query in queries for label in re.findall(r"by \(([^)]*)\)", query)}
    found = _samples(place)

    assert len(named) >= 8
    assert named - {name for name, _ in found} == set()
    assert {one for names in labels for one in names.split(", ")} <= {"file", "result", "le"}
    assert {name for name, _ in found if name.startswith("lxcfs_py") and "created" not in name} <= (
        named
    ), "a metric that the dashboard does not show"


def test_only_root_may_ask(measured: Daemon, place: Path) -> None:
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_port(can_mount: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with running_daemon("--metrics", str(port), label="port") as daemon:

        def answers() -> bool:
            try:
                return _answer(http.client.HTTPConnection("127.0.0.1", port))[0] == 200
            except ConnectionError:
                return False

        wait_until(answers, "it listens")
        worker = daemon.worker()
        os.kill(worker, signal.SIGKILL)
        wait_until(answers, "the next worker listens")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/metrics", 405), ("HEAD", "/metrics", 200), ("GET", "/../", 404)],
)
def test_other_requests(measured: Daemon, place: Path, method: str, path: str, status: int) -> None:
    found, _, text = _answer(_Unix(place), method, path)

    assert found == status
    assert "lxcfs_py_reads" not in text


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"\x00" * 10_000, b"GET /metrics"])
def test_nonsense_harms_nobody(measured: Daemon, place: Path, said: bytes) -> None:
    worker = measured.worker()
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(place))
        stream.sendall(said)
        stream.shutdown(socket.SHUT_WR)
        stream.settimeout(20)
        answer = stream.recv(1000)

    assert answer == b"" or b" 400 " in answer
    assert _samples(place)
    assert measured.worker() == worker


def test_a_place_that_cannot_be_had_keeps_nobody_from_reading(
    can_mount: None, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("somebody's")
    with running_daemon("--metrics", f"unix:{taken}", label="taken") as daemon:
        assert daemon.file("proc/meminfo").read_text().startswith("MemTotal:")
        wait_until(
            lambda: "no metrics until this is mended" in daemon.log.read_text(), "it says so"
        )
        taken.unlink()
        wait_until(lambda: taken.is_socket(), "it listens when it can")
        daemon.stop()
        assert not taken.exists()


def test_somebodys_file_stays(can_mount: None, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("somebody's")
    with running_daemon("--metrics", f"unix:{taken}", label="taken") as daemon:
        daemon.stop()

    assert taken.read_text() == "somebody's"


def test_without_the_library_there_is_one_line(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from lxcfs_py.cli import main; sys.exit(main())"
    )
    words = ["--metrics", "9101", "--runtime-dir", str(tmp_path), str(tmp_path)]

    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == (
        "lxcfs-py: --metrics needs the Python package prometheus-client: "
        "install lxcfs-py[metrics], or go without\n"
    )


def test_others_on_the_network_are_never_offered_them() -> None:
    command = [sys.executable, "-m", "lxcfs_py", "--metrics", "0.0.0.0:9101", "/mnt"]

    done = subprocess.run(command, capture_output=True, text=True)

    line = "0.0.0.0:9101: only this machine may ask: 127.0.0.1, ::1 or unix:PATH"
    assert (done.returncode, done.stderr) == (1, f"lxcfs-py: --metrics {line}\n")


def test_counting_takes_no_system_call(
    measured: Daemon, container: Container, tmp_path: Path
) -> None:
    container.cgroup.limit_memory(64 << 20)

    calls = calls_per_read(measured, container, "/proc/meminfo", tmp_path / "strace")

    assert sum(calls.values()) <= MOST["/proc/meminfo"], calls


def test_who_does_not_want_metrics_has_nothing_of_them_in_the_way(daemon: Daemon) -> None:
    """What answers is decided once, when a worker begins. (And nothing in fuse/ knows of counting:
    tests/test_layers.py.)"""
    code = (
        "import sys, lxcfs_py.daemon.worker;"
        "print('lxcfs_py.observe.metrics' in sys.modules, 'prometheus_client' in sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert loaded.stdout == "False False\n"


def test_ps_works_beside(measured: Daemon, container: Container) -> None:
    container.read("/proc/uptime")

    assert f" {container.pid} " in lxcfs_py(measured, "ps").stdout
