"""The cgroup tree: the requests for nodes below `cgroup/`.

Each is judged anew (spots.py). The kernel may keep nothing of it: what a name leads to depends on
who asks. What has been opened was allowed at open(2), as in the kernel; but where the
cgroup lies is asked again at each read and write, and a process that is moved is judged when it is
moved.
"""

import errno
import functools
import os
import stat
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import pyfuse3

from lxcfs_py.cgroup_access import (
    EXECUTE,
    PROCESSES,
    READ,
    WRITE,
    Inode,
    Place,
    may_change,
    may_chmod,
    may_chown,
    may_make_or_remove,
    may_remove_from,
)
from lxcfs_py.fuse.cgroups.edges import Branch, Visitors
from lxcfs_py.fuse.cgroups.journal import Journal, State
from lxcfs_py.fuse.cgroups.listings import Listings, list_names
from lxcfs_py.fuse.cgroups.moves import move
from lxcfs_py.fuse.cgroups.open_files import OpenFile, OpenFiles
from lxcfs_py.fuse.cgroups.spots import Asker, Spot, Spots, inode_of, os_error
from lxcfs_py.fuse.texts import Texts
from lxcfs_py.fuse.wire import Caller
from lxcfs_py.subject import HOST, Subject, Visitor

P = ParamSpec("P")
R = TypeVar("R")
Self = TypeVar("Self")

_SIZE_FOR_SENDFILE = 4096
"""What LOOKUP says, or the kernel would take files for empty (front.py); stat(2) says 0."""
_WANTED = {os.O_RDONLY: READ, os.O_WRONLY: WRITE, os.O_RDWR: READ | WRITE}


def _without_stale(method: Callable[Concatenate[Self, P], R]) -> Callable[Concatenate[Self, P], R]:
    """What the kernel says of a descriptor whose cgroup was removed."""

    @functools.wraps(method)
    def wrapped(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except OSError as error:
            if error.errno == errno.ESTALE:
                raise os_error(errno.ENODEV) from error
            raise

    return wrapped


class CgroupTree:
    """The nodes and handles of the cgroup tree."""

    def __init__(
        self,
        spots: Spots,
        visitors: Visitors,
        opened: OpenFiles,
        texts: Texts,
        journal: Journal,
    ) -> None:
        """Serve these nodes."""
        self._spots = spots
        self._visitors = visitors
        self._opened = opened
        self._texts = texts
        self._journal = journal
        self._listings = Listings()

    def roots(self) -> dict[bytes, int]:
        """The hierarchies' directories, by name."""
        return self._spots.roots()

    def _asker(self, ctx: Caller) -> Asker:
        return Asker(self._visitors, ctx.pid, ctx.uid, ctx.gid)

    def _spot(self, node: int, ctx: Caller) -> Spot:
        return self._spots.find(node, self._visitors.visitor(ctx.pid))

    # -- names and attributes ---------------------------------------------------------------------

    def lookup(self, parent: int, name: bytes, ctx: Caller) -> pyfuse3.EntryAttributes:
        """A name in a directory."""
        spot = self._spot(parent, ctx)
        if spot.file is not None:
            raise os_error(errno.ENOTDIR)
        if spot.place is Place.ABOVE:
            step = spot.scope.next_step(spot.cgroup)
            if step is None or os.fsencode(step.name) != name:
                raise os_error(errno.ENOENT)
            node = self._spots.node(spot.branch, step.cgroup)
            return self._spots.attributes(self._spots.find(node, spot.visitor))
        text = _name(name)
        directory = spot.directory()
        self._asker(ctx).require(os.fstat(directory), EXECUTE)
        return self._child_entry(spot, text, spot.branch.child(directory, text))

    def _child_entry(
        self, spot: Spot, name: str, status: os.stat_result
    ) -> pyfuse3.EntryAttributes:
        if stat.S_ISDIR(status.st_mode):
            spot.branch.remember(status.st_ino, spot.cgroup)
            return self._spots.entry(spot.branch, status.st_ino, None, status)
        entry = self._spots.entry(spot.branch, spot.cgroup, name, status)
        entry.st_size = _SIZE_FOR_SENDFILE
        return entry

    def getattr(self, node: int, ctx: Caller) -> pyfuse3.EntryAttributes:
        """The attributes of a node."""
        return self._spots.attributes(self._spot(node, ctx))

    def access(self, node: int, mode: int, ctx: Caller) -> bool:
        """What a caller may do, as open() decides it."""
        spot = self._spot(node, ctx)
        if spot.place is Place.ABOVE:
            return not mode & WRITE
        if mode & WRITE and not may_change(spot.place, spot.file, spot.branch.delegated):
            return False
        return self._asker(ctx).may(spot.status(), mode & 7)

    def setattr(
        self,
        node: int,
        wanted: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        ctx: Caller,
    ) -> pyfuse3.EntryAttributes:
        """Change mode or owner. Truncating changes nothing, and times are the kernel's."""
        spot = self._spot(node, ctx)
        if not may_change(spot.place, spot.file, spot.branch.delegated):
            raise os_error(errno.EPERM)
        mode = stat.S_IMODE(wanted.st_mode) if fields.update_mode else None
        uid = wanted.st_uid if fields.update_uid else None
        gid = wanted.st_gid if fields.update_gid else None
        change = ("setattr", ctx.pid, node, mode, uid, gid)
        try:
            asker, status = self._asker(ctx), spot.status()
            if fields.update_size:
                asker.require(status, WRITE)
            _check_change(asker, inode_of(status), mode, uid, gid)
        except PermissionError:
            # Who has given a file away may not do it again; but an earlier worker has begun it.
            if self._journal.begin(*change)[0] is State.NOTHING:
                raise
        else:
            self._journal.begin(*change)
        directory, name = spot.directory(), spot.file or "."
        if uid is not None or gid is not None:
            spot.branch.chown(
                directory, name, -1 if uid is None else uid, -1 if gid is None else gid
            )
        if mode is not None:
            spot.branch.chmod(directory, name, mode)
        self._journal.done()
        return self._spots.entry(spot.branch, spot.cgroup, spot.file, spot.status())

    # -- making and removing ----------------------------------------------------------------------

    def mkdir(
        self, parent: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Make a cgroup that belongs to the caller."""
        spot, text = self._parent(parent, name, ctx)
        directory = spot.directory()
        self._asker(ctx).require(os.fstat(directory), WRITE | EXECUTE)
        before, _ = self._journal.begin("mkdir", ctx.pid, parent, name)
        if before is State.NOTHING or not _is_there(spot.branch, directory, text):
            spot.branch.make(directory, text)
        status = spot.branch.hand_over(directory, text, mode & ~ctx.umask, ctx.uid, ctx.gid)
        self._journal.done()
        return self._child_entry(spot, text, status)

    def rmdir(self, parent: int, name: bytes, ctx: Caller) -> None:
        """Remove a cgroup."""
        spot, text = self._parent(parent, name, ctx)
        directory = spot.directory()
        here, asker = os.fstat(directory), self._asker(ctx)
        asker.require(here, WRITE | EXECUTE)
        try:
            child = spot.branch.child(directory, text)
        except FileNotFoundError:
            state, _ = self._journal.begin("rmdir", ctx.pid, parent, name)
            if state is State.NOTHING:
                raise
            return  # an earlier worker did
        if not stat.S_ISDIR(child.st_mode):
            raise os_error(errno.ENOTDIR, text)
        if here.st_mode & stat.S_ISVTX and not may_remove_from(
            asker.credentials, inode_of(here), inode_of(child)
        ):
            raise os_error(errno.EPERM, text)
        state, cgroup = self._journal.begin("rmdir", ctx.pid, parent, name, cgroup=child.st_ino)
        if state is State.DONE or (state is State.BEGUN and cgroup != child.st_ino):
            return  # that one is gone; this is another's
        spot.branch.remove(directory, text)
        self._journal.done()

    def _parent(self, parent: int, name: bytes, ctx: Caller) -> tuple[Spot, str]:
        spot = self._spot(parent, ctx)
        if spot.file is not None:
            raise os_error(errno.ENOTDIR)
        if not may_make_or_remove(spot.place):
            raise os_error(errno.EPERM)
        return spot, _name(name)

    # -- directories ------------------------------------------------------------------------------

    def opendir(self, node: int, ctx: Caller) -> int:
        """A handle for a caller's listing."""
        spot = self._spot(node, ctx)
        if spot.place is not Place.ABOVE:
            self._asker(ctx).require(spot.status(), READ)
        return self._new_handle(node, spot.visitor, ctx, HOST)

    def readdir(self, fh: int, start: int, token: pyfuse3.ReaddirToken) -> None:
        """The entries from a position on.

        Told is type and number, which is what a listing is about; all else is asked for when it
        is needed.
        """
        listing = self._listings.get(fh)
        if listing is None or not start:
            listing = list_names(self._reopen(fh)[0])
            self._listings.keep(fh, listing)
        for cookie, name, cgroup, file in listing.after(start):
            entry = self._spots.listed(listing.branch, cgroup, file)
            if not pyfuse3.readdir_reply(token, name, entry, cookie):
                return

    # -- files ------------------------------------------------------------------------------------

    def open(self, node: int, flags: int, ctx: Caller) -> pyfuse3.FileInfo:
        """A handle for a caller; the kernel is asked as well."""
        spot = self._spot(node, ctx)
        if spot.file is None:
            raise os_error(errno.EISDIR)
        wanted = _WANTED.get(flags & os.O_ACCMODE, READ | WRITE)
        if flags & os.O_TRUNC:
            wanted |= WRITE
        self._asker(ctx).require(spot.status(), wanted)
        if wanted & WRITE and not may_change(spot.place, spot.file, spot.branch.delegated):
            raise os_error(errno.EPERM)
        spot.branch.try_open(spot.directory(), spot.file, flags)
        opener = HOST
        if wanted & WRITE and spot.file in PROCESSES:
            # Whose right it is to move a process is asked when one is moved.
            opener = self._visitors.opener(ctx.pid, thread=spot.file != "cgroup.procs")
        fh = self._new_handle(node, spot.visitor, ctx, opener)
        return pyfuse3.FileInfo(fh=fh, direct_io=True, keep_cache=False)

    def _new_handle(self, node: int, visitor: Visitor, ctx: Caller, opener: Subject) -> int:
        # A container's init is known by its start time; so must be a process of the host.
        who = self._visitors.opener(ctx.pid, thread=False) if visitor.is_host else visitor.who
        return self._opened.new_handle(
            OpenFile(node, who, visitor.is_host, opener, ctx.uid, ctx.gid)
        )

    def _reopen(self, fh: int) -> tuple[Spot, OpenFile]:
        """What a handle is of.

        Raises:
          OSError: ENODEV, its cgroup is gone, or is not its opener's any more.
        """
        opened = self._opened.get(fh)
        if opened is None:
            raise os_error(errno.EBADF)
        visitor = self._visitors.visitor_again(opened.who, is_host=opened.is_host)
        try:
            return self._spots.find(opened.node, visitor), opened
        except FileNotFoundError as error:
            raise os_error(errno.ENODEV) from error

    def read(self, fh: int, off: int, size: int) -> bytes:
        """Offset 0 reads anew; others get a part of the same text."""
        part = self._texts.get(fh, off, size) if off else None
        if part is not None:
            return part
        text = self._read(fh)
        self._texts.put(fh, text)
        return text[off : off + size]

    @_without_stale
    def _read(self, fh: int) -> bytes:
        spot, _ = self._reopen(fh)
        assert spot.file is not None
        text = spot.branch.read(spot.directory(), spot.file)
        if spot.file in PROCESSES:
            numbers = self._visitors.numbers_inside(spot.visitor, map(int, text.split()))
            text = b"".join(b"%d\n" % number for number in numbers)
        return text

    @_without_stale
    def write(self, fh: int, off: int, text: bytes) -> int:
        """Each write is a whole one, wherever it is to go: kernfs has no positions either."""
        spot, opened = self._reopen(fh)
        assert spot.file is not None
        state, result = self._journal.begin("write", fh, off, text)
        if state is State.DONE:
            return result
        if spot.file in PROCESSES:
            move(self._visitors, spot, opened, text)
            result = len(text)
        else:
            result = spot.branch.write(spot.directory(), spot.file, text)
        self._journal.done(result)
        return result

    def release(self, fh: int) -> None:
        """The last descriptor of a handle was closed."""
        self._texts.drop(fh)
        self._listings.drop(fh)
        self._opened.release(fh)

    def asked(self, *, again: bool) -> None:
        """A request begins; `again`: an earlier worker may have carried it out."""
        self._journal.asked(again=again)

    def answered(self) -> None:
        """The answer to the last request is out."""
        self._journal.answered()


def _is_there(branch: Branch, directory: int, name: str) -> bool:
    try:
        branch.child(directory, name)
    except FileNotFoundError:
        return False
    return True


def _check_change(
    asker: Asker, inode: Inode, mode: int | None, uid: int | None, gid: int | None
) -> None:
    if mode is not None and not may_chmod(asker.credentials, inode):
        raise os_error(errno.EPERM)
    if (uid is not None or gid is not None) and not may_chown(asker.credentials, inode, uid, gid):
        raise os_error(errno.EPERM)


def _name(name: bytes) -> str:
    """A name in a directory.

    Raises:
      OSError: it is none. The kernel sends no such thing.
    """
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise os_error(errno.EINVAL, name)
    return os.fsdecode(name)
