"""The process that owns the FUSE connection, and does nothing else.

As long as it holds the descriptor, the kernel keeps the connection, whatever becomes of the worker
that answers the requests: when that one dies, the requests it had in hand are delivered again and
the next worker answers them. So there is as little here as possible: the standard library only, no
thread, nothing that reads what a container wrote.

One worker serves at a time. An upgrade is a second generation (generation.py) of which the worker
begins when the first one's has finished.
"""

import errno
import logging
import os
import select
import signal
import sys
import time
from dataclasses import asdict

from lxcfs_py import __version__
from lxcfs_py.daemon import service_manager, succession
from lxcfs_py.daemon.channel import (
    BEAT_INTERVAL,
    DESCRIPTORS_MAX,
    DROP,
    FINISH,
    HOST_OFF,
    HOST_ON,
    KEEP,
    PREPARED,
    READY,
    UNMOUNTED,
    Birth,
    Template,
)
from lxcfs_py.daemon.errands import Errands
from lxcfs_py.daemon.generation import Connection, Generation, Worker, kill
from lxcfs_py.daemon.keepsakes import Keepsakes
from lxcfs_py.daemon.kept import kept_file, remove_sockets
from lxcfs_py.daemon.mountpoint import OurMount, mount_fuse, prepare
from lxcfs_py.daemon.pace import Pace
from lxcfs_py.daemon.pidfile import Pidfile
from lxcfs_py.daemon.signals import Signals
from lxcfs_py.daemon.status import Status, Upgrade
from lxcfs_py.daemon.succession import Estate
from lxcfs_py.options import Options
from lxcfs_py.syscalls import fuse_notify_resend

_log = logging.getLogger(__name__)

_INIT_SIZE = 64 * 1024  # the kernel wants room for any request, though this one has 104 bytes
_SILENCE_MAX = 3 * BEAT_INTERVAL
"""Seconds without a sign of life after which a worker is replaced."""
_LOADING_MAX = 30.0
"""Seconds that a generation may take until its worker is prepared."""
_FINISH_MAX = 2.0
"""Seconds that a worker gets for the request it has in hand."""
NO_RESEND = "LXCFS_PY_TEST_NO_RESEND"
"""An environment variable for tests: do as on a kernel before 6.9."""


def run(options: Options, estate: Estate | None) -> int:
    """Mount, serve until SIGTERM or SIGINT or until it is unmounted, unmount.

    `estate` is what an earlier version of us has left.

    Raises:
      CannotRun: nothing was mounted.
    """
    with Pidfile(options.pidfile, None if estate is None else estate.pidfile) as pidfile:
        signals = Signals()
        succession.begin_to_hear()
        inherited = (
            service_manager.stored_connection() if estate is None else estate.open_connection()
        )
        ours = OurMount(options.mountpoint)
        connection = inherited or _mount(options)
        ours.made()
        supervisor = _Supervisor(options, connection, signals, pidfile.fileno())
        try:
            if estate is not None:
                supervisor.inherit(estate)
            elif inherited is not None:
                supervisor.take_over()
            return supervisor.run()
        finally:
            remove_sockets(options)
            if not supervisor.leaves_connection:
                ours.unmount()
            os.close(connection.descriptor)


def _mount(options: Options) -> Connection:
    prepare(options.mountpoint)
    descriptor = mount_fuse(options.mountpoint, options.fuse_options)
    return Connection(descriptor, os.read(descriptor, _INIT_SIZE), time.time_ns())


class _Supervisor:
    """One connection, the generation that serves it and, during an upgrade, the next."""

    def __init__(
        self, options: Options, connection: Connection, signals: Signals, pidfile: int
    ) -> None:
        self.leaves_connection = False
        """The service manager has it, and hands it to the next daemon."""
        self._options = options
        self._pidfile = pidfile
        self._connection = connection
        self._signals = signals
        self._watchdog = service_manager.Watchdog()
        self._host_text_only = False
        self._initialised = False
        """FUSE_INIT has been answered."""
        self._announced = False
        self._pace = Pace()
        self._after_hanging = False
        """The last worker was ended because it did not answer any more."""
        self._begin_at: float | None = None
        """When a template or a worker is due, if one is missing."""
        self._replay = False
        """The kernel will not deliver again what the last worker had in hand."""
        self._keepsakes = Keepsakes()
        self._upgrade = Upgrade()
        self._status_file = kept_file(options, "status")
        # A state file without a daemon: there was one.
        self._look_wanted = options.reattach or os.path.exists(kept_file(options, "state"))
        self._errands = Errands(options)
        self._has_successor = False
        self._current = Generation(options, connection)
        self._next: Generation | None = None

    def run(self) -> int:
        """Keep a worker serving."""
        self._begin()
        try:
            while True:
                self._wait()
                self._watchdog.alive()
                taken = self._signals.take()
                if signal.SIGTERM in taken or signal.SIGINT in taken:
                    self._finish()
                    return 0
                if signal.SIGCHLD in taken:
                    self._errands.reap()
                if signal.SIGUSR2 in taken:
                    self._toggle()
                if signal.SIGUSR1 in taken:
                    self._begin_upgrade()
                if self._hear() == UNMOUNTED:
                    _log.info("%s was unmounted", self._options.mountpoint)
                    service_manager.forget()
                    return 0
                self._check_clocks()
                if self._has_successor:
                    self._leave()
        finally:
            for generation in self._generations():
                generation.end()
            self._errands.end()

    def _generations(self) -> list[Generation]:
        return [self._current] if self._next is None else [self._current, self._next]

    def _begin(self) -> None:
        """Have a template, and a worker that serves at once."""
        self._begin_at = None
        if not self._current.has_template:
            self._current.start_template()
        if self._current.worker is None:
            self._current.bear(Birth(self._host_text_only, self._after_hanging))
            self._after_hanging = False
            self._current.let_go(self._keepsakes, replay=self._replay)

    def _toggle(self) -> None:
        self._host_text_only = not self._host_text_only
        what = "the host's text" if self._host_text_only else "what is theirs"
        _log.warning("SIGUSR2: from now on all containers see %s", what)
        for generation in self._generations():
            if generation.worker is not None:
                generation.worker.channel.send(HOST_ON if self._host_text_only else HOST_OFF)

    # -- what the others say ----------------------------------------------------------------------

    def _wait(self) -> None:
        """Until somebody says something, or it is time to look."""
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        for generation in self._generations():
            for channel in generation.channels():
                poll.register(channel, select.POLLIN)
        seconds = min(BEAT_INTERVAL, self._watchdog.interval)
        if self._begin_at is not None:
            seconds = min(seconds, max(self._begin_at - time.monotonic(), 0))
        poll.poll(seconds * 1000)

    def _hear(self) -> bytes:
        """Take all that was said; UNMOUNTED if that was it."""
        for generation in self._generations():
            if generation.has_template and generation.channel.has_message():
                self._template_said(generation, generation.channel.receive()[0])
            worker = generation.worker
            while worker is not None and generation.worker is worker:
                if not worker.channel.has_message():
                    break
                message, descriptors = worker.channel.receive(DESCRIPTORS_MAX)
                if message == UNMOUNTED:
                    return UNMOUNTED
                self._worker_said(generation, worker, message, descriptors)
        return b""

    def _template_said(self, generation: Generation, message: bytes) -> None:
        if message:
            generation.template_said(Template.from_message(message))
        elif generation is self._next:
            self._give_up_upgrade(generation.failure or "it cannot be started: see the log")
        elif generation is self._current:
            _log.error("the template has ended; another is made")
            generation.template_ended()
            self._begin_in(self._pace.never_served())

    def _worker_said(
        self, generation: Generation, worker: Worker, message: bytes, descriptors: list[int]
    ) -> None:
        worker.heard_at = time.monotonic()
        word, _, argument = message.partition(b" ")
        if word == PREPARED:
            worker.pid = int(argument)
            if generation is self._next:
                self._hand_over()
        elif word == READY:
            worker.serves = True
            self._pace.serves()
            self._serves(generation)
        elif word == KEEP:
            self._keepsakes.keep(argument, descriptors)
        elif word == DROP:
            self._keepsakes.drop(argument)
        elif word == FINISH:
            worker.finished = True
        elif not message:
            self._worker_ended(generation, worker)

    def _serves(self, generation: Generation) -> None:
        if generation is self._next:
            old, self._current, self._next = self._current, generation, None
            old.end()
            self._upgraded(old=old.version, new=generation.version)
            self._errands.send_for("lxcfs_py.daemon.succession", self._successor_is_checked)
            _log.info("upgraded from %s to %s", old.version, generation.version)
        self._write_status()
        if not self._initialised:
            self._initialised = True
            if self._options.keep_connection:
                service_manager.store(self._connection)
        if not self._announced:
            self._announced = True
            _log.info("lxcfs-py %s serves %s", __version__, self._options.mountpoint)
            service_manager.notify("READY=1")
            if self._look_wanted:
                self._errands.send_for("lxcfs_py.daemon.lost_mounts")

    def _upgraded(self, *, old: str, new: str, failure: str = "") -> None:
        number = self._upgrade.number + 1
        self._upgrade = Upgrade(number=number, old=old, new=new, failure=failure)

    def _write_status(self) -> None:
        worker = self._current.worker
        Status(
            supervisor=os.getpid(),
            worker=0 if worker is None else worker.pid,
            version=self._current.version,
            upgrade=self._upgrade,
        ).write(self._status_file)

    # -- before and after us ----------------------------------------------------------------------

    def take_over(self) -> None:
        """Go on with a connection that is mounted and initialised, but has no worker."""
        _log.info("taking over %s", self._options.mountpoint)
        self._initialised = True
        self._resend()

    def inherit(self, estate: Estate) -> None:
        """Go on with all that an earlier version of us had."""
        self._initialised = self._announced = True
        self._host_text_only = estate.host_text_only
        self._upgrade = Upgrade(**estate.upgrade)
        self._keepsakes.take_over(estate.keepsakes)
        self._current.adopt(estate.version, estate.template, estate.worker)
        self._write_status()
        _log.info("the supervisor is version %s now", __version__)

    def _successor_is_checked(self, status: int) -> None:
        self._has_successor = status == 0
        if status:
            _log.error("the supervisor stays at version %s: its successor fails", __version__)

    def _leave(self) -> None:
        """Become the next version, in a moment in which nothing is under way."""
        worker = self._current.worker
        calm = (
            worker is not None
            and worker.serves
            and self._current.has_template
            and not self._errands.are_under_way()  # nobody would reap them
        )
        if worker is None or not calm or self._next is not None:
            return
        estate = Estate(
            connection=self._connection.descriptor,
            init=self._connection.init.hex(),
            mounted_at_ns=self._connection.mounted_at_ns,
            pidfile=self._pidfile,
            host_text_only=self._host_text_only,
            version=self._current.version,
            template=self._current.template,
            worker=(worker.channel.fileno(), worker.pid),
            keepsakes=self._keepsakes.all(),
            upgrade=asdict(self._upgrade),
            options=self._current.options.to_json(),
        )
        self._has_successor = succession.leave(estate, self._signals)
        if not self._has_successor:
            _log.error("the supervisor stays at version %s: it cannot be replaced", __version__)

    def _finish(self) -> None:
        """With a service manager that keeps the connection: leave nothing unanswered."""
        worker = self._current.worker
        self.leaves_connection = self._options.keep_connection and self._initialised
        if self.leaves_connection and worker is not None:
            worker.channel.send(FINISH)
            poll = select.poll()
            poll.register(worker.channel, select.POLLIN)
            while poll.poll(_FINISH_MAX * 1000) and worker.channel.receive()[0] not in (
                b"",
                FINISH,
            ):
                pass

    # -- a worker's end ---------------------------------------------------------------------------

    def _worker_ended(self, generation: Generation, worker: Worker) -> None:
        generation.drop_worker()
        if generation is self._next:
            # With its template, perhaps, which has said why.
            said = generation.channel.receive()[0] if generation.channel.has_message() else b""
            if said:
                generation.template_said(Template.from_message(said))
            self._give_up_upgrade(generation.failure or "its worker ended")
            return
        if not worker.finished:
            self._resend()
        if self._next is not None and self._next.worker is not None and self._next.worker.pid:
            self._next.let_go(self._keepsakes, replay=self._replay)
            return
        _log.error("the worker has ended; another takes over")
        served = worker.serves
        self._begin_in(self._pace.served(worker.born_at) if served else self._pace.never_served())

    def _begin_in(self, pause: float) -> None:
        """Have what is missing: at once, or in so many seconds."""
        if self._begin_at is not None:
            return
        if not pause:
            self._begin()
            return
        _log.error("workers do not last: the next one in %.1f s", pause)
        self._begin_at = time.monotonic() + pause

    def _resend(self) -> None:
        if not self._initialised:
            # Nobody has read more than FUSE_INIT. The next worker has that from us, and would
            # not take it a second time.
            return
        try:
            if NO_RESEND in os.environ:
                raise OSError(errno.EINVAL, "as if the kernel had none")
            fuse_notify_resend(self._connection.descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._replay = True  # before Linux 6.9

    def _check_clocks(self) -> None:
        now = time.monotonic()
        if self._begin_at is not None and now >= self._begin_at:
            self._begin()
        worker = self._current.worker
        if worker is not None and worker.serves and now - worker.heard_at > _SILENCE_MAX:
            _log.error("the worker has not answered for %.0f s: ending it", _SILENCE_MAX)
            self._after_hanging = True
            worker.heard_at = now
            kill(worker.pid)
        if self._next is not None and now - self._next.started_at > _LOADING_MAX:
            self._give_up_upgrade(f"it was not ready after {_LOADING_MAX:.0f} s")

    # -- upgrade ----------------------------------------------------------------------------------

    def _begin_upgrade(self) -> None:
        if self._next is not None:
            _log.warning("an upgrade is under way already")
            return
        _log.info("starting the version that is installed now")
        self._next = Generation(self._options, self._connection, words=sys.argv[1:])
        self._next.start_template()
        self._next.bear(Birth(self._host_text_only))

    def _hand_over(self) -> None:
        """The next worker is prepared: it begins when the one that serves has finished."""
        if self._current.worker is not None:
            self._current.worker.channel.send(FINISH)
        elif self._next is not None and self._next.worker is not None:
            self._begin_at = None
            self._next.let_go(self._keepsakes, replay=self._replay)

    def _give_up_upgrade(self, why: str) -> None:
        new = ""
        if self._next is not None:
            new = self._next.version
            self._next.end()
            self._next = None
        _log.error("the upgrade failed: %s; %s goes on", why, self._current.version)
        self._upgraded(old=self._current.version, new=new, failure=why)
        self._write_status()
        if self._current.worker is None and self._begin_at is None:
            self._begin()
