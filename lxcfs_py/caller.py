"""Who is asking: from the thread of a request to its container.

A container is the processes of one pid namespace; its init's cgroups are its cgroups, whatever
cgroup the asking process sits in. A process of our own pid namespace is judged by its own cgroups,
and in the root of every hierarchy it is the host. pid_namespaces(7), ioctl_nsfs(2).
"""

import errno
import os
import random
from collections.abc import Iterator
from typing import TypeVar

from lxcfs_py.container import Container, Machine, StateKeeper, boottime
from lxcfs_py.container_state import ContainerState, pack, unpack
from lxcfs_py.host import read_file
from lxcfs_py.kernel.pid import (
    parse_effective_capabilities,
    parse_ns_pids,
    parse_parent,
    parse_start_time,
)
from lxcfs_py.kernel.proc_stat import USER_HZ
from lxcfs_py.state_file import Key, StateFile
from lxcfs_py.subject import HOST, Subject, Visitor, subject
from lxcfs_py.syscalls import PER_LINUX32, PER_MASK, ns_get_pid_in_pidns, ns_get_tgid_from_pidns

_READ_SIZE = 8 * 1024

_CAP_SYS_RESOURCE = 24

_Name = TypeVar("_Name")
_Known = TypeVar("_Known")


def _start_time(pid: int) -> int:
    return parse_start_time(read_file(f"/proc/{pid}/stat"))


def _namespace_of(pid: int) -> str:
    """The pid namespace of a process: `pid:[4026531836]`."""
    return os.readlink(f"/proc/{pid}/ns/pid")


class _Namespace(Container):
    """A container with a pid namespace of its own.

    It keeps its namespace open, so that no other gets the same number while we know it by that;
    and its init's /proc/PID/cgroup, which answers ESRCH as soon as there is no such process.
    """

    def __init__(
        self, machine: Machine, key: Key, states: StateKeeper, namespace: int, membership: int
    ) -> None:
        super().__init__(machine, key, states)
        self._namespace = namespace
        self._membership_file = membership
        self._started = key.number / USER_HZ
        self.subject = subject(key.pid, key.number)
        """The init."""
        machine.descriptors.count += 2

    def follow(self) -> None:
        self._moved_to(os.pread(self._membership_file, _READ_SIZE, 0))

    def membership(self) -> bytes:
        """The init's /proc/PID/cgroup, of this moment. Raises OSError as `refresh`."""
        self.refresh()
        return self._membership

    @property
    def descriptor(self) -> int:
        """The pid namespace."""
        return self._namespace

    def age(self) -> float | None:
        return boottime() - self._started

    def newest_pid(self, thread: int) -> int:
        if not thread:
            return 0
        try:
            return ns_get_pid_in_pidns(self._namespace, thread)
        except ProcessLookupError:
            return 0  # ended since, or one of the host's that was put into the cgroup
        except OSError:  # before Linux 6.11
            return _number_by_status(thread)

    def close(self) -> None:
        super().close()
        self._machine.descriptors.count -= 2
        os.close(self._namespace)
        os.close(self._membership_file)


def _number_by_status(thread: int) -> int:
    try:
        return parse_ns_pids(read_file(f"/proc/{thread}/status"))[-1]
    except OSError:
        return 0


class _HostCgroups(Container):
    """The processes of the host's pid namespace that share all their cgroups."""

    def __init__(self, machine: Machine, states: StateKeeper, membership: bytes) -> None:
        super().__init__(machine, Key(0, 0), states)
        self._moved_to(membership)
        place = self.cgroups.threads_place()
        if place is not None:
            self.key = Key(0, place[0].cgroup_id)
            self.state = states.read(self.key)

    def follow(self) -> None:
        # Its cgroups are what it is known by.
        self.cgroups.new_moment()

    def age(self) -> float | None:
        return None

    def newest_pid(self, thread: int) -> int:
        return thread


class _States:
    """The states in a file."""

    def __init__(self, file: StateFile, cpus: int) -> None:
        self.file = file
        self._cpus = cpus

    def read(self, key: Key) -> ContainerState:
        record = self.file.read(key)
        return ContainerState() if record is None else unpack(record)

    def write(self, key: Key, state: ContainerState) -> None:
        self.file.write(key, pack(state, self._cpus))


class Containers:
    """The containers that were seen, by their pid namespace or cgroups.

    Forgotten when they end, and when they would need more descriptors than we may open; those are
    known again at their next request.
    """

    def __init__(
        self, machine: Machine, states: StateFile, *, cpus: int, descriptors_max: int
    ) -> None:
        self._machine = machine
        self._states = _States(states, cpus)
        self._descriptors_max = descriptors_max
        self._own_namespace = _namespace_of(os.getpid())
        self._by_namespace: dict[str, _Namespace] = {}
        self._by_subject: dict[Subject, _Namespace] = {}
        self._by_membership: dict[bytes, _HostCgroups] = {}

    def subject_of(self, thread: int) -> Subject:
        """Whose cgroups decide what a thread sees: HOST if it has ended, or cannot be seen."""
        if not thread:
            return HOST
        # Nothing of this is kept, not even for a moment (it takes 4 us): where process numbers have
        # run short, a thread's may be another container's at once.
        try:
            namespace = _namespace_of(thread)
            if namespace == self._own_namespace:
                return self._host_process(thread)
            known = self._by_namespace.get(namespace)
            return (known or self._admit(thread, namespace)).subject
        except OSError:
            return HOST

    def _host_process(self, thread: int) -> Subject:
        membership = read_file(f"/proc/{thread}/cgroup")
        if membership.count(b":/\n") == membership.count(b"\n"):
            return HOST
        return subject(thread, _start_time(thread))

    def visitor(self, thread: int) -> Visitor:
        """Who a thread is in the cgroup tree.

        Raises:
          OSError: it has ended, or cannot be seen: nobody may be taken for the host here.
        """
        if not thread:
            raise ProcessLookupError(errno.ESRCH, "a caller that cannot be seen")
        namespace = _namespace_of(thread)
        if namespace == self._own_namespace:
            return Visitor(Subject(thread, 0), True, read_file(f"/proc/{thread}/cgroup"))
        known = self._by_namespace.get(namespace) or self._admit(thread, namespace)
        return Visitor(known.subject, False, known.membership())

    def visitor_again(self, who: Subject) -> Visitor:
        """Who a container is in the cgroup tree: that of an earlier visitor.

        Raises:
          OSError: it has ended.
        """
        known = self._namespace(who)
        return Visitor(who, False, known.membership())

    def pid_namespace(self, who: Subject) -> int:
        """A container's pid namespace, as a descriptor that stays ours."""
        return self._namespace(who).descriptor

    def _namespace(self, who: Subject) -> _Namespace:
        container = self._by_subject.get(who) or self._find(who)
        if not isinstance(container, _Namespace):
            raise ProcessLookupError(errno.ESRCH, f"process {who.pid} is no container's init")
        return container

    def container(self, who: Subject) -> Container | None:
        """The container that a handle carries, ready to be asked; None: the host, or the like.

        Raises:
          OSError: it has ended.
        """
        if not who.pid:
            return None
        container: Container = self._by_subject.get(who) or self._find(who)
        container.refresh()
        container.reads += 1
        if self._machine.descriptors.count > self._descriptors_max:
            self._make_room(container)
        return None if container.is_exempt else container

    def _find(self, who: Subject) -> Container:
        if subject(who.pid, _start_time(who.pid)) != who:
            raise ProcessLookupError(f"process {who.pid} has ended")
        namespace = _namespace_of(who.pid)
        if namespace != self._own_namespace:
            return self._by_namespace.get(namespace) or self._admit(who.pid, namespace)
        membership = read_file(f"/proc/{who.pid}/cgroup")
        container = self._by_membership.get(membership)
        if container is None:
            container = _HostCgroups(self._machine, self._states, membership)
            self._by_membership[membership] = container
        return container

    def _admit(self, thread: int, namespace: str) -> _Namespace:
        """Take up a container that has not been seen before.

        Raises:
          OSError: it has ended meanwhile.
        """
        descriptor = os.open(f"/proc/{thread}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            init = _init_of(descriptor, thread, namespace)
            membership = os.open(f"/proc/{init}/cgroup", os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            os.close(descriptor)
            raise
        try:
            # What was opened by number is the init's if the number still is in the namespace.
            key = Key(init, _start_time(init))
            if _namespace_of(init) != namespace or os.fstat(descriptor).st_ino != int(
                namespace[len("pid:[") : -1]
            ):
                raise ProcessLookupError(f"process {thread} has ended")
        except BaseException:
            os.close(descriptor)
            os.close(membership)
            raise
        container = _Namespace(self._machine, key, self._states, descriptor, membership)
        self._by_namespace[namespace] = container
        self._by_subject[container.subject] = container
        return container

    def host_text(self, path: str) -> bytes:
        """The host's own file."""
        return self._machine.host.text(path)

    def is_32_bit(self, thread: int) -> bool:
        """Whether a thread wants to be told of a 32-bit machine: personality(2)."""
        try:
            return int(read_file(f"/proc/{thread}/personality"), 16) & PER_MASK == PER_LINUX32
        except OSError:
            return False  # ended, or not ours to look at: then the usual text

    def open_pressure(self, who: Subject, resource: str) -> int:
        """The container's own pressure file, for reading and writing; the caller closes it.

        Raises:
          OSError: EOPNOTSUPP, as where the kernel keeps none: the stalls in the root of cgroup2 are
            everybody's.
        """
        container = self.container(who)
        cgroup = None if container is None else container.cgroups.unified()
        if cgroup is not None:
            return cgroup.open_file(f"{resource}.pressure", os.O_RDWR)
        if container is not None and container.age() is not None:
            raise OSError(errno.EOPNOTSUPP, "has no cgroup of its own in cgroup2")
        return os.open(f"/proc/pressure/{resource}", os.O_RDWR | os.O_CLOEXEC)

    def is_privileged(self, who: Subject) -> bool:
        """Whether the subject has CAP_SYS_RESOURCE on the host, not just in a user namespace."""
        if not who.pid:
            return True
        if os.readlink(f"/proc/{who.pid}/ns/user") != os.readlink("/proc/self/ns/user"):
            return False
        capabilities = parse_effective_capabilities(read_file(f"/proc/{who.pid}/status"))
        return bool(capabilities >> _CAP_SYS_RESOURCE & 1)

    def __iter__(self) -> Iterator[Container]:
        return iter([*self._by_namespace.values(), *self._by_membership.values()])

    def forget(self, container: Container) -> None:
        """It has ended."""
        self._states.file.drop(container.key)
        self._remove(container)

    def _remove(self, container: Container) -> None:
        container.removed = True
        _discard(self._by_namespace, container)
        _discard(self._by_subject, container)
        _discard(self._by_membership, container)
        container.close()

    def _make_room(self, current: Container) -> None:
        """First close the files of containers that chance picks, then forget them.

        Where a thousand read in turn, those not used for longest would be the next to ask.
        """
        others = [known for known in self if known is not current]
        random.shuffle(others)
        enough = self._descriptors_max * 3 // 4
        for release in (Container.close_files, self._remove):
            for container in others:
                if self._machine.descriptors.count <= enough:
                    return
                release(container)

    def restore(self) -> None:
        """Take up the containers that an earlier worker knew; drop what it kept of ended ones."""
        for key in self._states.file.kept():
            try:
                if not key.pid:
                    raise ProcessLookupError  # its cgroups are not known; it will be seen again
                self._find(subject(key.pid, key.number))
            except OSError:
                if key.pid:
                    self._states.file.drop(key)

    def close(self) -> None:
        """Close every descriptor."""
        for container in self:
            container.close()


def _discard(table: dict[_Name, _Known], container: object) -> None:
    for name in [name for name, known in table.items() if known is container]:
        del table[name]


def _init_of(descriptor: int, thread: int, namespace: str) -> int:
    """The init of a pid namespace, by our numbers."""
    try:
        return ns_get_tgid_from_pidns(descriptor, 1)
    except ProcessLookupError:
        raise
    except OSError:  # before Linux 6.11
        return find_init(thread, namespace)


def find_init(thread: int, namespace: str) -> int:
    """The init of a thread's pid namespace, without the ioctl: an ancestor of the thread, or, if
    it entered the namespace from outside, some process there that is called 1.

    Raises:
      ProcessLookupError: there is none.
    """
    pid = thread
    while pid and _is_in(pid, namespace):
        status = read_file(f"/proc/{pid}/status")
        if parse_ns_pids(status)[-1] == 1:
            return pid
        pid = parse_parent(status)
    for name in os.listdir("/proc"):
        if name.isdecimal() and _is_in(int(name), namespace):
            try:
                if parse_ns_pids(read_file(f"/proc/{name}/status"))[-1] == 1:
                    return int(name)
            except OSError:
                continue  # ended since
    raise ProcessLookupError(f"{namespace} has no init any more")


def _is_in(pid: int, namespace: str) -> bool:
    try:
        return _namespace_of(pid) == namespace
    except OSError:
        return False
