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
from pathlib import Path
from typing import Any

from lxcfs_py.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    PR_SET_PDEATHSIG,
    mount,
    prctl,
    setns,
    unshare,
)

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
