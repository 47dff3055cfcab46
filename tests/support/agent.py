"""A process inside a test container that does what a test asks of it.

Run as a program it joins cgroups, enters and makes namespaces, and then calls whatever function
comes over its socket. A file that it opens it hands over: the test reads through a descriptor that
is the container's. Functions are pickled by name: those of the standard library, and those here.
"""

import json
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from lxcfs_py.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    PR_SET_PDEATHSIG,
    mount,
    prctl,
    setns,
    unshare,
)

T = TypeVar("T")

MESSAGE_MAX = 1 << 20
CPUS = "/sys/devices/system/cpu"


def read_by_thread(path: str, tasks: str) -> bytes:
    """Read a file in a thread of its own, after moving that thread alone to a v1 cgroup."""
    texts = []

    def run() -> None:
        Path(tasks).write_text(str(threading.get_native_id()))
        texts.append(Path(path).read_bytes())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return texts[0]


def spawn(*command: str) -> int:
    """Start a program, silent; its number in the container."""
    silence = os.open("/dev/null", os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, silence, descriptor) for descriptor in range(3)]
    try:
        return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    finally:
        os.close(silence)


def end(pid: int) -> None:
    """Kill a program that spawn() started, and reap it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def as_user(
    function: Callable[..., T],
    *arguments: object,
    uid: int = 0,
    gid: int = 0,
    groups: Sequence[int] = (),
    namespace: int | None = None,
) -> T:
    """Call a function in a child that is somebody else.

    Args:
      namespace: the first of 65536 ids that are 0 and up in a user namespace of its own.
    """
    entered, mapped, answered = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        answer: tuple[object, Exception | None]
        try:
            if namespace is not None:
                unshare(CLONE_NEWUSER)
            os.write(entered[1], b".")
            os.read(mapped[0], 1)
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            answer = (function(*arguments), None)
        except Exception as raised:
            answer = (None, raised)
        os.write(answered[1], pickle.dumps(answer))
        os._exit(0)
    os.read(entered[0], 1)
    if namespace is not None:
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(f"0 {namespace} 65536")
    os.write(mapped[1], b".")
    value, error = pickle.loads(os.read(answered[0], MESSAGE_MAX))
    os.waitpid(child, 0)
    for descriptor in (*entered, *mapped, *answered):
        os.close(descriptor)
    if error is not None:
        raise error
    return cast(T, value)


def write(path: str, text: str) -> int:
    """Write a file in one write(2)."""
    file = os.open(path, os.O_WRONLY)
    try:
        return os.write(file, text.encode())
    finally:
        os.close(file)


def read(path: str) -> bytes:
    """Read a file whole."""
    return Path(path).read_bytes()


def move_thread(tasks: str) -> tuple[int, list[str]]:
    """Move a new thread alone; its number, and what `tasks` lists then."""
    found: list[tuple[int, list[str]]] = []

    def run() -> None:
        thread = threading.get_native_id()
        write(tasks, str(thread))
        found.append((thread, Path(tasks).read_text().split()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def walk(path: str) -> int:
    """The number of directories below a directory."""
    return sum(len(names) for _, names, _ in os.walk(path))


def remove_while_listing(path: str) -> int:
    """Remove each directory in a directory as soon as it is listed; how many."""
    removed = 0
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                os.rmdir(entry.path)
                removed += 1
    return removed


def make_and_remove(path: str, *, threads: int, rounds: int) -> list[str]:
    """Make, fill and remove directories in many threads at once; what went wrong."""
    faults: list[str] = []

    def run(number: int) -> None:
        try:
            for turn in range(rounds):
                mine = f"{path}/thread-{number}-{turn}"
                os.mkdir(mine)
                os.mkdir(f"{mine}/below")
                if read(f"{mine}/below/cgroup.procs"):
                    faults.append(f"{mine} is not empty")
                os.rmdir(f"{mine}/below")
                os.rmdir(mine)
        except OSError as error:
            faults.append(str(error))

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return faults


def _main(
    *, fd: int, cgroups: list[str], enter: int | None, new_pid_namespace: bool, files: str | None
) -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for directory in cgroups:
        Path(directory, "cgroup.procs").write_text("0")
    if enter is not None:
        namespaces = [os.open(f"/proc/{enter}/ns/{name}", os.O_RDONLY) for name in ("mnt", "pid")]
        for namespace in namespaces:
            setns(namespace)
            os.close(namespace)
        _fork(fd)
    if new_pid_namespace:
        unshare(CLONE_NEWPID)
        _fork(fd)
    if files is not None:
        _mount(files)
    with socket.socket(fileno=fd) as sock:
        sock.send(b"ready")
        _serve(sock)


def _fork(fd: int) -> None:
    """Go on in a child, which is in the new pid namespace; what was before waits for it."""
    child = os.fork()
    if child:
        os.close(fd)
        os.waitpid(child, 0)
        os._exit(0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _mount(files: str) -> None:
    """Give this process a mount namespace with its own /proc and the daemon's files over it."""
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    for name in os.listdir(f"{files}/proc"):
        mount(f"{files}/proc/{name}", f"/proc/{name}", None, MS_BIND)
    mount(f"{files}{CPUS}", CPUS, None, MS_BIND)


def _serve(sock: socket.socket) -> None:
    while request := sock.recv(MESSAGE_MAX):
        function, arguments, options, gives_descriptor = pickle.loads(request)
        value: Any = None
        error: Exception | None = None
        try:
            value = function(*arguments, **options)
        except Exception as raised:
            error = raised
        if error is None and gives_descriptor:
            socket.send_fds(sock, [pickle.dumps((None, None))], [value])
            os.close(value)
        else:
            sock.send(pickle.dumps((value, error)))


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
