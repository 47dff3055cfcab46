"""The answers, in the worker: what its containers are, and where a file's numbers come from.

One thread answers every container: a question that looks at many of them lets requests be answered
between two, and what it has read before such a pause it does not use after it.
"""

import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

import trio

from lxcfs_py.caller import Containers
from lxcfs_py.cgroup import Lineage
from lxcfs_py.cgroup.recording import Read, Recording
from lxcfs_py.container import Container, Machine
from lxcfs_py.cpu_view import CAPACITY, COUNT_BY_MASK, COUNT_BY_QUOTA, allowed
from lxcfs_py.errors import CannotRun
from lxcfs_py.files import AnyVirtualFile, Explanation, Field
from lxcfs_py.files.cpu_lists import CPU_DIRECTORY
from lxcfs_py.fuse.sysfs import Sysfs
from lxcfs_py.fuse.virtual import VirtualTree
from lxcfs_py.host import Host
from lxcfs_py.observe.answers import EXPLAIN, FILES, LIST, TEXTS, Explained, Json, Listed, Texts
from lxcfs_py.observe.naming import Name, name_of
from lxcfs_py.resources import CpuView
from lxcfs_py.subject import Subject, subject

_TEXT_MAX = 4096  # of a file that was read: memory.stat has 1.5 kB
_HOST_ONLY = "SIGUSR2 was sent: everybody is shown the host's"
_NO_CGROUP = "it sits in the root cgroup: nothing there tells it from the host"


class _RecordedHost(Host):
    """The host's files, and what was read of them."""

    def __init__(self, host: Host, recording: Recording) -> None:
        super().__init__()
        self._host = host
        self._recording = recording

    def text(self, path: str, *, for_32_bit: bool = False) -> bytes:
        begun = time.perf_counter()
        text = self._host.text(path, for_32_bit=for_32_bit)
        self._recording.reads.append(Read(f"/{path}", text, time.perf_counter() - begun))
        return text


class Questions:
    """Answers, each a JSON object. What cannot be answered is a CannotRun, in one line."""

    def __init__(
        self,
        containers: Containers,
        machine: Machine,
        virtual: VirtualTree,
        files: Iterable[AnyVirtualFile],
    ) -> None:
        self._containers = containers
        self._machine = machine
        self._virtual = virtual
        self._files = {file.path: file for file in files}
        self._sysfs = Sysfs()
        self._answers: Mapping[str, Callable[[Json], Awaitable[Json]]] = {
            LIST: self._list,
            FILES: self._served,
            EXPLAIN: self._explain,
            TEXTS: self._texts,
        }

    async def answer(self, question: Json) -> Json:
        """Answer a question.

        Raises:
          CannotRun: nobody has this name, it has ended, there is no such question.
        """
        answer = self._answers.get(str(question.get("ask")))
        if answer is None:
            raise CannotRun("the daemon does not know this question: upgrade it")
        return await answer(question)

    # -- which containers -------------------------------------------------------------------------

    async def _list(self, _: Json) -> Json:
        rows = []
        for container in self._containers:
            if not container.removed and container.age() is not None:
                try:
                    rows.append(vars(self._row(container)))
                except OSError:
                    continue  # it has ended; the sampler will find out
            await trio.lowlevel.checkpoint()
        return {"containers": rows}

    def _row(self, container: Container) -> Listed:
        container.refresh()
        name = _name_of(container)
        with container.asked_apart(self._machine.host, Lineage):
            memory, view = container.memory(), container.cpus()
            usage = container.cgroups.cpu_usage()
        online = len(self._machine.online())
        return Listed(
            pid=container.key.pid,
            **name._asdict(),
            age=container.age() or 0.0,
            memory=None if memory is None else memory.current,
            memory_max=None if memory is None else memory.effective_max,
            cpus=None if view is None or view.capacity >= online else view.capacity,
            cpus_shown=None if view is None else len(view.shown),
            cpu_usec=None if usage is None else usage.user_usec + usage.system_usec,
            reads=container.reads,
        )

    async def _whom(self, who: object) -> Subject:
        """Whom a question is about."""
        if isinstance(who, int):
            return self._of_process(who)
        found = []
        for container in self._containers:
            if _is_called(container, str(who)):
                found.append(container)
            await trio.lowlevel.checkpoint()
        if not found:
            raise CannotRun(f"{who}: no container is called so: see lxcfs-py ps")
        if len(found) > 1:
            pids = ", ".join(str(container.key.pid) for container in found)
            raise CannotRun(f"{who}: {len(found)} containers are called so: say which, by {pids}")
        return subject(found[0].key.pid, found[0].key.number)

    def _of_process(self, pid: int) -> Subject:
        if not os.path.exists(f"/proc/{pid}"):
            raise CannotRun(f"{pid}: no such process")
        who = self._containers.subject_of(pid)
        if not who.pid:
            raise CannotRun(f"{pid}: this process is the host's: it is shown the host's files")
        return who

    async def _served(self, _: Json) -> Json:
        return {"files": list(self._files)}

    # -- one file ---------------------------------------------------------------------------------

    async def _explain(self, question: Json) -> Json:
        file = self._files.get(str(question.get("file")))
        if file is None:
            raise CannotRun(f"{question.get('file')}: not a file that is served here")
        who = await self._whom(question.get("who"))
        container = self._ask(who)
        recording = Recording()
        host = _RecordedHost(self._machine.host, recording)
        begun = time.perf_counter()
        with container.asked_apart(host, recording.open_lineage):
            inputs = None if self._virtual.host_text_only else file.gather(container)
            text = host.text(file.path) if inputs is None else file.render(inputs)
            usec = (time.perf_counter() - begun) * 1e6
            explanation = Explanation({}, ())
            if inputs is not None:
                explanation = file.explain(inputs, text)
                if any(term.startswith("cpu") for term in explanation.terms):
                    explanation = _with_view(explanation, container, self._machine)
        container.save()
        why = _HOST_ONLY if self._virtual.host_text_only else _NO_CGROUP
        return vars(
            Explained(
                pid=who.pid,
                name=_name_of(container).name,
                file=file.path,
                text=text.decode(errors="replace"),
                why_host="" if inputs is not None else why,
                usec=round(usec, 1),
                terms=explanation.terms,
                fields=explanation.fields,
                reads=[_read_for_json(read) for read in recording.reads],
            )
        )

    def _ask(self, who: Subject) -> Container:
        try:
            container = self._containers.container(who)
        except OSError as error:
            raise CannotRun(f"{who.pid}: the container has ended") from error
        if container is None:
            raise CannotRun(f"{who.pid}: its cgroup is exempt: it is shown the host's files")
        return container

    # -- all files --------------------------------------------------------------------------------

    async def _texts(self, question: Json) -> Json:
        who = await self._whom(question.get("who"))
        container = self._ask(who)
        host_only = self._virtual.host_text_only
        files, own = {}, []
        for path, file in self._files.items():
            inputs = None if host_only else file.gather(container)
            text = self._machine.host.text(path) if inputs is None else file.render(inputs)
            files[path] = text.decode(errors="replace")
            if inputs is not None:
                own.append(path)
        view = None if host_only else container.cpus()
        container.save()
        state = container.state.cpu
        return vars(
            Texts(
                pid=who.pid,
                name=_name_of(container).name,
                now=time.time(),
                cpus_ever=0 if state is None else len(state.cpus),
                files=files,
                own=own,
                directories=self._directories(view),
            )
        )

    def _directories(self, view: CpuView | None) -> list[str]:
        return [name for name, _ in self._sysfs.entries(CPU_DIRECTORY, view)]


def _name_of(container: Container) -> Name:
    return name_of(tuple(container.cgroups.paths()))


def _is_called(container: Container, who: str) -> bool:
    if container.removed or container.age() is None:
        return False
    try:
        container.refresh()
    except OSError:
        return False  # it has ended
    name = _name_of(container)
    by_id = len(who) >= 4 and name.id.startswith(who)
    return by_id or who in (name.name, f"{name.runtime}:{name.name}")


def _with_view(explanation: Explanation, container: Container, machine: Machine) -> Explanation:
    """With how the CPUs come about that an explanation rests on."""
    view = container.cpus()
    if view is None:
        return explanation
    quota = container.cgroups.quota()
    mask = allowed(machine.online(), container.cgroups.mask())
    terms = {**explanation.terms, "cpus.mask": len(mask), "cpus.quota": quota}
    terms.pop("cpus.count", None)
    by_quota = machine.cpus_by_quota and quota is not None
    fields = (
        Field("cpus.count", str(len(view.shown)), COUNT_BY_QUOTA if by_quota else COUNT_BY_MASK),
        Field("cpus.capacity", f"{view.capacity:g}", CAPACITY),
        *explanation.fields,
    )
    return Explanation(terms, fields)


def _read_for_json(read: Read) -> tuple[str, str, float]:
    text = read.text[:_TEXT_MAX].decode(errors="backslashreplace")
    return read.path, text, round(read.seconds * 1e6, 1)
