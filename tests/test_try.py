"""`lxcfs-py try`: real cgroups, namespaces and terminals; the files are not a daemon's."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxcfs_py import own_cgroup, sandbox, sandbox_init
from tests.support.sandbox import (
    SECONDS,
    Terminal,
    cgroups,
    children,
    command,
    control_file,
    dead_owner_name,
    is_gone,
    leftovers,
    run,
    running,
    served_files,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: cgroups and namespaces")

# Say so, then do nothing until standard input ends.
READY = ("sh", "-c", "echo ready; exec cat")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    with served_files(tmp_path) as directory:
        yield directory


def without(umount: str, arguments: list[str]) -> list[str]:
    """Run something where a part of the machine's mounts is missing."""
    return ["unshare", "-m", "sh", "-c", f'{umount}; exec "$@"', "sh", *arguments]


# What the command gets


def test_the_served_files_are_over_proc_and_sys(served: Path) -> None:
    files = "/proc/meminfo /proc/pressure/cpu /sys/devices/system/cpu/online"

    assert run(served, "--", "sh", "-c", f"cat {files}").stdout.count("served") == 3


def test_the_served_files_are_read_only_but_for_pressure(served: Path) -> None:
    done = run(served, "--", "cat", "/proc/self/mountinfo")
    options = {line.split()[4]: line.split()[5].split(",") for line in done.stdout.splitlines()}

    for target in ("/proc/meminfo", "/sys/devices/system/cpu"):
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(options[target])
    assert {"rw", "nosuid", "nodev", "noexec"} <= set(options["/proc/pressure/cpu"])


def test_pids_and_the_host_name_are_its_own(served: Path) -> None:
    done = run(served, "--", "sh", "-c", "echo $$ $(hostname); ls /proc | grep -c '^[0-9]'")

    assert done.stdout.splitlines()[0] == f"2 {sandbox_init.HOSTNAME}"
    assert int(done.stdout.splitlines()[1]) < 6


def test_it_sees_its_own_cgroups_only(served: Path) -> None:
    done = run(served, "--", "cat", "/proc/self/cgroup", "/proc/self/mountinfo")
    roots = {
        line.split()[3] for line in done.stdout.splitlines() if " - cgroup" in line
    }  # a parent's would be "/.."

    assert roots == {"/"}
    assert "lxcfs-py-try" not in done.stdout


def test_output_input_and_arguments_pass_through(served: Path) -> None:
    done = run(served, "sh", "-c", 'cat; echo "$@" >&2', "sh", "--", "a  b", text="in\n")

    assert (done.stdout, done.stderr, done.returncode) == ("in\n", "-- a  b\n", 0)


def test_without_a_command_it_is_the_users_shell(served: Path) -> None:
    done = run(served, text="echo $0 $$\n", env={"SHELL": "/bin/sh"})

    assert done.stdout == "/bin/sh 2\n"


def test_orphans_are_reaped(served: Path) -> None:
    script = "sh -c 'true & exec true'; until ! ps -eo stat= | grep -q Z; do :; done; echo reaped"

    assert run(served, "--", "sh", "-c", script).stdout == "reaped\n"


def test_broken_pipes_end_the_command_as_usual(served: Path) -> None:
    # Python ignores SIGPIPE; the command must not inherit that.
    assert run(served, "--", "sh", "-c", "kill -PIPE $$").returncode == 128 + signal.SIGPIPE


# Limits


def test_the_limits_are_in_the_control_files(served: Path) -> None:
    with running(served, "--memory", "256M", "--cpus", "1.5", "--cpuset", "0", *READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        memory = control_file(process.pid, "memory.limit_in_bytes", "memory.max")
        cpu = control_file(process.pid, "cpu.cfs_quota_us", "cpu.max")
        cpus = control_file(process.pid, "cpuset.cpus", "cpuset.cpus")

    assert memory == str(256 * 1024**2)
    assert cpu.split()[0] == "150000"
    assert cpus == "0"


def test_swap_comes_on_top_of_the_memory(served: Path) -> None:
    with running(served, "--memory", "64M", "--swap", "32M", *READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        limit = control_file(process.pid, "memory.memsw.limit_in_bytes", "memory.swap.max")
        is_v1 = any(
            (path / "memory.memsw.limit_in_bytes").exists() for path in cgroups(process.pid)
        )

    assert limit == str((96 if is_v1 else 32) * 1024**2)


def test_the_command_and_pid_1_are_in_the_cgroup(served: Path) -> None:
    with running(served, "--memory", "64M", *READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        members = {(path / "cgroup.procs").read_text() for path in cgroups(process.pid)}
        (init,) = children(process.pid)

    assert len(members) == 1  # the same in every hierarchy
    assert str(init) in members.pop().split()


def test_too_much_memory_is_the_containers_problem(served: Path) -> None:
    done = run(served, "--memory", "64M", "--swap", "0", "--", "tail", "/dev/zero")

    assert done.returncode == 128 + signal.SIGKILL


# How it ends


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 128 + signal.SIGTERM),
        ("kill -KILL $$", 128 + signal.SIGKILL),
    ],
)
def test_the_exit_status_is_the_commands(served: Path, script: str, status: int) -> None:
    assert run(served, "--", "sh", "-c", script).returncode == status


@pytest.mark.parametrize(
    ("name", "status"), [("no-such-command", 127), ("/etc/passwd", 126), ("/", 126)]
)
def test_a_command_that_cannot_run_is_as_in_a_shell(served: Path, name: str, status: int) -> None:
    done = run(served, "--", name)

    assert done.returncode == status
    assert done.stderr.startswith(f"lxcfs-py: {name}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_forwarded_to_the_command(served: Path, number: signal.Signals) -> None:
    script = f"trap 'echo caught; exit 5' {number.value}; echo ready; while :; do read x; done"
    with running(served, "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)

        assert process.stdout.readline() == "caught\n"
        assert process.wait(SECONDS) == 5


def test_nothing_is_left_after_the_command(served: Path) -> None:
    with running(served, "--memory", "64M", "--", "sh", "-c", "sleep 1000 & exit 3") as process:
        assert process.wait(SECONDS) == 3

        assert not leftovers(process.pid)


@pytest.mark.parametrize("victim", ["command", "init"])
def test_nothing_is_left_after_a_kill_inside(served: Path, victim: str) -> None:
    with running(served, "--memory", "64M", *READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (init,) = children(process.pid)
        (inner,) = children(init)
        os.kill({"command": inner, "init": init}[victim], signal.SIGKILL)

        assert process.wait(SECONDS) == 128 + signal.SIGKILL
        assert is_gone(init)
        assert is_gone(inner)
        assert not leftovers(process.pid)


def test_a_kill_of_try_ends_everything_and_leaves_no_mounts(served: Path) -> None:
    with running(served, "--memory", "64M", *READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (init,) = children(process.pid)
        (inner,) = children(init)
        process.kill()
        process.wait()

        wait_until(lambda: is_gone(init) and is_gone(inner), "the container dies")

        def is_clean() -> bool:
            sandbox.remove_stale()
            return not leftovers(process.pid)

        wait_until(is_clean, "remove_stale finds everything")


# Stale clean-up


def test_the_next_try_removes_what_a_dead_one_has_left(served: Path) -> None:
    name = dead_owner_name()
    paths = [Path(hierarchy.root) / name for hierarchy in own_cgroup.hierarchies()]
    paths.append(Path("/run") / name)
    for path in paths:
        path.mkdir()
    run(served, "true")

    assert [path for path in paths if path.exists()] == []


def test_a_living_owners_cgroup_is_not_stale(served: Path) -> None:
    with running(served, *READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = leftovers(process.pid)
        sandbox.remove_stale()

        assert leftovers(process.pid) == before != []


# A terminal


def test_ctrl_c_reaches_the_command_once(served: Path) -> None:
    # Not waiting in read: a trap that comes just before it is held back until there is a line.
    count = "n=0; trap 'n=$((n+1)); echo caught $n' INT; echo ready; while [ $n = 0 ]; do :; done"
    script = f"{count}; read answer; echo got-$answer"
    with Terminal(command(served, "--", "bash", "-c", script)) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("caught 1")
        terminal.type("end\n")
        rest = terminal.expect("got-end")

        assert "caught" not in rest
        assert terminal.wait() == 0


def test_ctrl_z_stops_the_job_and_fg_continues_it(served: Path) -> None:
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.expect("# ")
        # exec: the shell waits until the command has stopped, not until its children have, and a
        # child that has not yet takes what is typed.
        script = "echo re''ady; exec sed -u s/^/got-/"
        terminal.type(shlex.join(command(served, "--", "sh", "-c", script)) + "\n")
        terminal.expect("ready\r\n")
        terminal.type("one\n")
        terminal.expect("got-one")
        terminal.type("\x1a")
        terminal.expect(r"Stopped[^#]*\n.*# ")
        terminal.type("fg\n")
        terminal.expect("fg\r\n")
        terminal.type("two\n")
        terminal.expect("got-two")
        terminal.type("\x04")
        terminal.expect("# ")
        terminal.type("echo status $?\n")
        terminal.expect("status 0")
        terminal.type("exit 0\n")

        assert terminal.wait() == 0


def test_a_shell_in_it_has_job_control(served: Path) -> None:
    with Terminal(command(served, "--", "sh", "-i")) as terminal:
        terminal.expect("# ")
        terminal.type("sh -c 'echo re''ady; exec sleep 1000'\n")
        terminal.expect("ready\r\n")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.type("exit 4\n")
        terminal.expect("stopped jobs")
        terminal.type("exit 4\n")

        assert terminal.wait() == 4
        assert "process group" not in terminal.text  # dash, on giving back a terminal it cannot


def test_the_terminal_is_the_callers_again(served: Path) -> None:
    # A shell without job control does not take the terminal back by itself.
    script = " ".join(command(served, "--", "true")) + "; read answer; echo got $answer"
    with Terminal(["sh", "-c", script]) as terminal:
        terminal.type("it\n")
        terminal.expect("got it")

        assert terminal.wait() == 0


def test_a_pipeline_stays_one_job(served: Path) -> None:
    # The end of the pipeline reads the terminal, as a pager does.
    script = " ".join(command(served, "--", "echo", "text")) + " | sh -c 'cat; read x </dev/tty'"
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.expect("# ")
        terminal.type(script + "; echo status $?\n")
        terminal.expect("text\r\n")
        terminal.type("\n")
        terminal.expect("status 0")


def test_a_hang_up_ends_it(served: Path) -> None:
    with Terminal(command(served, "--", "sh", "-c", "echo ready; exec sleep 1000")) as terminal:
        terminal.expect("ready")
        pid = terminal.pid
        terminal.hang_up()
        status = os.waitpid(pid, 0)[1]

    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert not leftovers(pid)


def test_a_hang_up_ends_a_stopped_one(served: Path) -> None:
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.expect("# ")
        script = "echo re''ady; exec sleep 1000"
        terminal.type(shlex.join(command(served, "--", "sh", "-c", script)) + "\n")
        terminal.expect("ready\r\n")
        terminal.type("\x1a")
        terminal.expect(r"Stopped[^#]*\n.*# ")
        (pid,) = children(terminal.pid)
        assert leftovers(pid)
        terminal.hang_up()
        os.waitpid(terminal.pid, 0)

        wait_until(lambda: not leftovers(pid), "it cleans up")


# Wrong use


@pytest.mark.parametrize(
    "arguments",
    [
        ("--memory", "lots"),
        ("--memory", "-1"),
        ("--memory", "0"),
        ("--memory", "1.5.2G"),
        ("--swap", "1M"),
        ("--cpus", "0"),
        ("--cpus", "nan"),
        ("--cpus", "many"),
        ("--cpuset", ""),
        ("--cpuset", "99999"),
        ("--cpuset", "1-0"),
        ("--cpuset", "a"),
        ("--no-such-option",),
    ],
)
def test_wrong_use_is_one_line_and_status_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, *arguments, "--", "true")

    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1073741824", 1024**3),
        ("256M", 256 * 1024**2),
        ("256m", 256 * 1024**2),
        ("256MiB", 256 * 1024**2),
        ("1.5G", 1536 * 1024**2),
        ("4k", 4096),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert sandbox.size(text) == size


def test_not_root_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*("setpriv", "--reuid", "65534", "--clear-groups"), *command(tmp_path, "true")],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert done.returncode == 1
    assert "sudo" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_cgroup_file_system_it_says_what_to_do(served: Path) -> None:
    done = subprocess.run(
        without("umount -R /sys/fs/cgroup", command(served, "true")),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert done.returncode == 1
    assert "no cgroup file system is mounted" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(
    not os.path.ismount("/sys/fs/cgroup/memory"), reason="needs cgroup v1 with a memory controller"
)
def test_a_missing_controller_is_named(served: Path) -> None:
    umount = "umount /sys/fs/cgroup/memory"
    done = subprocess.run(
        without(umount, command(served, "--memory", "64M", "true")),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert done.returncode == 1
    assert "--memory: there is no memory controller" in done.stderr
