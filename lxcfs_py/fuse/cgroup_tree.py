"""The cgroup tree: the requests for nodes below `cgroup/`.

Each is judged anew: where the cgroup lies for the caller (cgroup_access.Place), then what its mode
says, then what the kernel says to us. The kernel may keep nothing of it: what a name leads to
depends on who asks. What has been opened was allowed at open(2), as in the kernel; but where the
cgroup lies is asked again at each read and write, and a process that is moved is judged when it is
moved.
"""

import errno
import functools
import hashlib
import itertools
import os
import stat
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import pyfuse3

from lxcfs_py.cgroup_access import (
    EXECUTE,
    PROCESSES,
    READ,
    WRITE,
    Credentials,
    Inode,
    Place,
    Scope,
    common_ancestor,
    decided_by_mode,
    is_at_or_below,
    may,
    may_change,
    may_chmod,
    may_chown,
    may_make_or_remove,
    may_move,
    may_remove_from,
)
from lxcfs_py.fuse.cgroup_edges import Branch, Visitors
from lxcfs_py.fuse.cgroup_nodes import CgroupNode, FileNames, branch_numbers, pack, unpack
from lxcfs_py.fuse.journal import Journal, State
from lxcfs_py.fuse.nodes import attributes
from lxcfs_py.fuse.open_files import OpenFile, OpenFiles
from lxcfs_py.fuse.texts import Texts
from lxcfs_py.fuse.wire import Caller
from lxcfs_py.subject import HOST, Subject, Visitor

P = ParamSpec("P")
R = TypeVar("R")
Self = TypeVar("Self")

_SIZE_FOR_SENDFILE = 4096
"""What LOOKUP says, or the kernel would take files for empty (front.py); stat(2) says 0."""
_NAMES_MAX = 50_000
"""Of all listings that are kept, together."""
_WANTED = {os.O_RDONLY: READ, os.O_WRONLY: WRITE, os.O_RDWR: READ | WRITE}


class _Spot(NamedTuple):
    """A node as a caller sees it."""

    branch: Branch
    cgroup: int
    file: str | None
    """None: the directory."""
    scope: Scope
    place: Place
    visitor: Visitor


class _Entry(NamedTuple):
    """A name in a directory, and where readdir(3) goes on after it."""

    cookie: int
    name: bytes
    cgroup: int
    file: str | None


class _Listing(NamedTuple):
    """What a directory handle has been shown, from its beginning on."""

    branch: Branch
    entries: list[_Entry]


def _error(number: int, about: object = None) -> OSError:
    return OSError(number, os.strerror(number), about)


def _without_stale(method: Callable[Concatenate[Self, P], R]) -> Callable[Concatenate[Self, P], R]:
    """What the kernel says of a descriptor whose cgroup was removed."""

    @functools.wraps(method)
    def wrapped(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except OSError as error:
            if error.errno == errno.ESTALE:
                raise _error(errno.ENODEV) from error
            raise

    return wrapped


class _Asker:
    """Whoever sent a request; what it takes time to find out is found out when it matters."""

    def __init__(self, visitors: Visitors, thread: int, uid: int, gid: int) -> None:
        self._visitors = visitors
        self.thread = thread
        self.uid = uid
        self.gid = gid
        self._credentials: Credentials | None = None

    @property
    def credentials(self) -> Credentials:
        if self._credentials is None:
            self._credentials = self._visitors.credentials(self.thread, self.uid, self.gid)
        return self._credentials

    def may(self, status: os.stat_result, wanted: int) -> bool:
        inode = _inode(status)
        return decided_by_mode(self.uid, inode, wanted) or may(self.credentials, inode, wanted)

    def require(self, status: os.stat_result, wanted: int) -> None:
        if not self.may(status, wanted):
            raise _error(errno.EACCES)


def _inode(status: os.stat_result) -> Inode:
    return Inode(status.st_mode, status.st_uid, status.st_gid)


class CgroupTree:
    """The nodes and handles of the cgroup tree."""

    def __init__(
        self,
        branches: Sequence[Branch],
        visitors: Visitors,
        names: FileNames,
        opened: OpenFiles,
        texts: Texts,
        journal: Journal,
        *,
        time_ns: int,
    ) -> None:
        """Serve hierarchies; `time_ns` is what directories above a caller's own show."""
        self._visitors = visitors
        self._names = names
        self._opened = opened
        self._texts = texts
        self._journal = journal
        self._time_ns = time_ns
        numbers = branch_numbers(branch.name for branch in branches)
        self._branches = {numbers[branch.name]: branch for branch in branches}
        self._numbers = {branch.key: numbers[branch.name] for branch in branches}
        self._listings: OrderedDict[int, _Listing] = OrderedDict()

    # -- nodes ------------------------------------------------------------------------------------

    def roots(self) -> dict[bytes, int]:
        """The hierarchies' directories, by name."""
        return {
            os.fsencode(branch.name): self._node(branch, branch.root)
            for branch in self._branches.values()
        }

    def _node(self, branch: Branch, cgroup: int, file: str | None = None) -> int:
        number = 0 if file is None else self._names.number(file)
        return pack(CgroupNode(self._numbers[branch.key], number, cgroup))

    def _asker(self, ctx: Caller) -> _Asker:
        return _Asker(self._visitors, ctx.pid, ctx.uid, ctx.gid)

    def _find(self, node: int, visitor: Visitor) -> _Spot:
        """A node as a caller sees it.

        Raises:
          OSError: ENOENT, it does not; ESTALE, its cgroup has been removed.
        """
        number, file, cgroup = unpack(node)
        branch = self._branches.get(number)
        name = self._names.name(file) if file else None
        if branch is None or (file and name is None):
            raise _error(errno.ESTALE)
        scope = self._visitors.scope(visitor, branch.key)
        place = scope.place(branch.lineage(cgroup))
        if place is Place.HIDDEN or (place is Place.ABOVE and name is not None):
            raise _error(errno.ENOENT)
        return _Spot(branch, cgroup, name, scope, place, visitor)

    def _spot(self, node: int, ctx: Caller) -> _Spot:
        return self._find(node, self._visitors.visitor(ctx.pid))

    def _attributes(self, spot: _Spot) -> pyfuse3.EntryAttributes:
        if spot.place is Place.ABOVE:
            return self._above(spot.branch, spot.cgroup, spot.scope)
        return self._entry(spot.branch, spot.cgroup, spot.file, _status(spot))

    def _above(self, branch: Branch, cgroup: int, scope: Scope) -> pyfuse3.EntryAttributes:
        return attributes(
            self._node(branch, cgroup),
            stat.S_IFDIR | 0o555,
            time_ns=self._time_ns,
            nlink=2 if scope.next_step(cgroup) is None else 3,
            entry_timeout=0,
            attr_timeout=0,
        )

    def _entry(
        self, branch: Branch, cgroup: int, file: str | None, status: os.stat_result
    ) -> pyfuse3.EntryAttributes:
        entry = attributes(
            self._node(branch, cgroup, file),
            status.st_mode,
            time_ns=status.st_mtime_ns,
            nlink=status.st_nlink,
            entry_timeout=0,
            attr_timeout=0,
        )
        entry.st_uid, entry.st_gid = status.st_uid, status.st_gid
        return entry

    # -- names and attributes ---------------------------------------------------------------------

    def lookup(self, parent: int, name: bytes, ctx: Caller) -> pyfuse3.EntryAttributes:
        """A name in a directory."""
        spot = self._spot(parent, ctx)
        if spot.file is not None:
            raise _error(errno.ENOTDIR)
        if spot.place is Place.ABOVE:
            step = spot.scope.next_step(spot.cgroup)
            if step is None or os.fsencode(step.name) != name:
                raise _error(errno.ENOENT)
            return self._attributes(self._find(self._node(spot.branch, step.cgroup), spot.visitor))
        text = _name(name)
        directory = spot.branch.directory(spot.cgroup)
        self._asker(ctx).require(os.fstat(directory), EXECUTE)
        return self._child_entry(spot, text, spot.branch.child(directory, text))

    def _child_entry(
        self, spot: _Spot, name: str, status: os.stat_result
    ) -> pyfuse3.EntryAttributes:
        if stat.S_ISDIR(status.st_mode):
            spot.branch.remember(status.st_ino, spot.cgroup)
            return self._entry(spot.branch, status.st_ino, None, status)
        entry = self._entry(spot.branch, spot.cgroup, name, status)
        entry.st_size = _SIZE_FOR_SENDFILE
        return entry

    def getattr(self, node: int, ctx: Caller) -> pyfuse3.EntryAttributes:
        """The attributes of a node."""
        return self._attributes(self._spot(node, ctx))

    def access(self, node: int, mode: int, ctx: Caller) -> bool:
        """What a caller may do, as open() decides it."""
        spot = self._spot(node, ctx)
        if spot.place is Place.ABOVE:
            return not mode & WRITE
        if mode & WRITE and not may_change(spot.place, spot.file, spot.branch.delegated):
            return False
        return self._asker(ctx).may(_status(spot), mode & 7)

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
            raise _error(errno.EPERM)
        mode = stat.S_IMODE(wanted.st_mode) if fields.update_mode else None
        uid = wanted.st_uid if fields.update_uid else None
        gid = wanted.st_gid if fields.update_gid else None
        change = ("setattr", ctx.pid, node, mode, uid, gid)
        try:
            asker, status = self._asker(ctx), _status(spot)
            if fields.update_size:
                asker.require(status, WRITE)
            _check_change(asker, _inode(status), mode, uid, gid)
        except PermissionError:
            # Who has given a file away may not do it again; but an earlier worker has begun it.
            if self._journal.begin(*change)[0] is State.NOTHING:
                raise
        else:
            self._journal.begin(*change)
        directory, name = spot.branch.directory(spot.cgroup), spot.file or "."
        if uid is not None or gid is not None:
            spot.branch.chown(
                directory, name, -1 if uid is None else uid, -1 if gid is None else gid
            )
        if mode is not None:
            spot.branch.chmod(directory, name, mode)
        self._journal.done()
        return self._entry(spot.branch, spot.cgroup, spot.file, _status(spot))

    # -- making and removing ----------------------------------------------------------------------

    def mkdir(
        self, parent: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Make a cgroup that belongs to the caller."""
        spot, text = self._parent(parent, name, ctx)
        directory = spot.branch.directory(spot.cgroup)
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
        directory = spot.branch.directory(spot.cgroup)
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
            raise _error(errno.ENOTDIR, text)
        if here.st_mode & stat.S_ISVTX and not may_remove_from(
            asker.credentials, _inode(here), _inode(child)
        ):
            raise _error(errno.EPERM, text)
        state, cgroup = self._journal.begin("rmdir", ctx.pid, parent, name, cgroup=child.st_ino)
        if state is State.DONE or (state is State.BEGUN and cgroup != child.st_ino):
            return  # that one is gone; this is another's
        spot.branch.remove(directory, text)
        self._journal.done()

    def _parent(self, parent: int, name: bytes, ctx: Caller) -> tuple[_Spot, str]:
        spot = self._spot(parent, ctx)
        if spot.file is not None:
            raise _error(errno.ENOTDIR)
        if not may_make_or_remove(spot.place):
            raise _error(errno.EPERM)
        return spot, _name(name)

    # -- directories ------------------------------------------------------------------------------

    def opendir(self, node: int, ctx: Caller) -> int:
        """A handle for a caller's listing."""
        spot = self._spot(node, ctx)
        if spot.place is not Place.ABOVE:
            self._asker(ctx).require(_status(spot), READ)
        return self._new_handle(node, spot.visitor, ctx, HOST)

    def readdir(self, fh: int, start: int, token: pyfuse3.ReaddirToken) -> None:
        """The entries from a position on.

        A position is a hash of the name that comes next to last, as in the kernel: so whoever
        removes cgroups while it lists them misses none. Told is type and number, which is what a
        listing is about; all else is asked for when it is needed.
        """
        listing = self._listings.get(fh)
        if listing is None or not start:
            listing = self._list(fh)
            self._keep(fh, listing)
        first = bisect_right(listing.entries, start, key=lambda entry: entry.cookie)
        for cookie, name, cgroup, file in itertools.islice(listing.entries, first, None):
            entry = attributes(
                self._node(listing.branch, cgroup, file),
                stat.S_IFDIR if file is None else stat.S_IFREG,
                time_ns=self._time_ns,
                entry_timeout=0,
                attr_timeout=0,
            )
            if not pyfuse3.readdir_reply(token, name, entry, cookie):
                return

    def _keep(self, fh: int, listing: _Listing) -> None:
        """Keep a listing as long as there is room; one that went is made again."""
        self._listings.pop(fh, None)
        self._listings[fh] = listing
        while len(self._listings) > 1 and self._names_kept() > _NAMES_MAX:
            self._listings.popitem(last=False)

    def _names_kept(self) -> int:
        return sum(len(listing.entries) for listing in self._listings.values())

    def _list(self, fh: int) -> _Listing:
        spot, _ = self._reopen(fh)
        entries = [_Entry(1, b".", spot.cgroup, None), _Entry(2, b"..", spot.cgroup, None)]
        if spot.place is Place.ABOVE:
            step = spot.scope.next_step(spot.cgroup)
            if step is not None:
                entries.append(_Entry(3, os.fsencode(step.name), step.cgroup, None))
            return _Listing(spot.branch, entries)
        for name, cgroup in spot.branch.children(spot.branch.directory(spot.cgroup)):
            encoded = os.fsencode(name)
            if cgroup is None:
                entries.append(_Entry(_cookie(encoded), encoded, spot.cgroup, name))
            else:
                entries.append(_Entry(_cookie(encoded), encoded, cgroup, None))
        entries.sort()
        return _Listing(spot.branch, entries)

    # -- files ------------------------------------------------------------------------------------

    def open(self, node: int, flags: int, ctx: Caller) -> pyfuse3.FileInfo:
        """A handle for a caller; the kernel is asked as well."""
        spot = self._spot(node, ctx)
        if spot.file is None:
            raise _error(errno.EISDIR)
        wanted = _WANTED.get(flags & os.O_ACCMODE, READ | WRITE)
        if flags & os.O_TRUNC:
            wanted |= WRITE
        self._asker(ctx).require(_status(spot), wanted)
        if wanted & WRITE and not may_change(spot.place, spot.file, spot.branch.delegated):
            raise _error(errno.EPERM)
        spot.branch.try_open(spot.branch.directory(spot.cgroup), spot.file, flags)
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

    def _reopen(self, fh: int) -> tuple[_Spot, OpenFile]:
        """What a handle is of.

        Raises:
          OSError: ENODEV, its cgroup is gone, or is not its opener's any more.
        """
        opened = self._opened.get(fh)
        if opened is None:
            raise _error(errno.EBADF)
        visitor = self._visitors.visitor_again(opened.who, is_host=opened.is_host)
        try:
            return self._find(opened.node, visitor), opened
        except FileNotFoundError as error:
            raise _error(errno.ENODEV) from error

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
        directory = spot.branch.directory(spot.cgroup)
        text = spot.branch.read(directory, spot.file)
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
        directory = spot.branch.directory(spot.cgroup)
        if spot.file in PROCESSES:
            self._move(spot, opened, directory, text)
            result = len(text)
        else:
            result = spot.branch.write(directory, spot.file, text)
        self._journal.done(result)
        return result

    def release(self, fh: int) -> None:
        """The last descriptor of a handle was closed."""
        self._texts.drop(fh)
        self._listings.pop(fh, None)
        self._opened.release(fh)

    def asked(self, *, again: bool) -> None:
        """A request begins; `again`: an earlier worker may have carried it out."""
        self._journal.asked(again=again)

    def answered(self) -> None:
        """The answer to the last request is out."""
        self._journal.answered()

    # -- processes --------------------------------------------------------------------------------

    def _move(self, spot: _Spot, opened: OpenFile, directory: int, text: bytes) -> None:
        """Move processes (or, by `tasks` and `cgroup.threads`, threads) one by one."""
        assert spot.file is not None
        words = text.split()
        if not words:
            raise _error(errno.EINVAL)
        numbers = [_number(word) for word in words]
        is_opener = self._visitors.is_opener(opened.opener)
        asker = _Asker(self._visitors, opened.opener.pid, opened.uid, opened.gid)
        thread = spot.file != "cgroup.procs"
        for number in numbers:
            if not number:  # whoever writes; all that is known of is who opened
                if not is_opener:
                    raise _error(errno.ESRCH)
                pid = opened.opener.pid
            else:
                pid = self._visitors.number_outside(spot.visitor, number, thread=thread)
            self._check_move(spot, asker, pid, trusted=is_opener)
            spot.branch.write(directory, spot.file, b"%d" % pid)

    def _check_move(self, spot: _Spot, asker: _Asker, pid: int, *, trusted: bool) -> None:
        """Whether a process may be moved; only from the caller's own part of the hierarchy."""
        branch = spot.branch
        process = self._visitors.process(pid, branch.key)
        top = self._visitors.path(spot.visitor, branch.key)
        if not is_at_or_below(process.path, top):
            raise _error(errno.ENOENT if branch.contains_delegation else errno.EACCES)
        if branch.contains_delegation:
            self._check_common_ancestor(spot, asker, process.path, trusted=trusted)
        elif asker.uid not in process.target and not (
            trusted and may_move(asker.credentials, process.target)
        ):
            raise _error(errno.EACCES)

    def _check_common_ancestor(
        self, spot: _Spot, asker: _Asker, path: str, *, trusted: bool
    ) -> None:
        """cgroup-v2.rst, "Delegation Containment": who may write cgroup.procs there may move."""
        branch = spot.branch
        source = branch.lineage(branch.id_of(path))
        ancestor = common_ancestor(source, branch.lineage(spot.cgroup))
        directory = branch.directory(ancestor)
        inode = _inode(branch.child(directory, "cgroup.procs"))
        if decided_by_mode(asker.uid, inode, WRITE):
            return
        if not (trusted and may(asker.credentials, inode, WRITE)):
            raise _error(errno.EACCES)


def _status(spot: _Spot) -> os.stat_result:
    """What the kernel says of a node's file or directory.

    Raises:
      OSError: ESTALE, it is gone: whoever came by a path shall look again.
    """
    if spot.file is None:
        return spot.branch.status(spot.cgroup)
    try:
        return spot.branch.child(spot.branch.directory(spot.cgroup), spot.file)
    except FileNotFoundError as error:
        raise _error(errno.ESTALE) from error


def _is_there(branch: Branch, directory: int, name: str) -> bool:
    try:
        branch.child(directory, name)
    except FileNotFoundError:
        return False
    return True


def _check_change(
    asker: _Asker, inode: Inode, mode: int | None, uid: int | None, gid: int | None
) -> None:
    if mode is not None and not may_chmod(asker.credentials, inode):
        raise _error(errno.EPERM)
    if (uid is not None or gid is not None) and not may_chown(asker.credentials, inode, uid, gid):
        raise _error(errno.EPERM)


def _name(name: bytes) -> str:
    """A name in a directory.

    Raises:
      OSError: it is none. The kernel sends no such thing.
    """
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise _error(errno.EINVAL, name)
    return os.fsdecode(name)


def _number(word: bytes) -> int:
    try:
        number = int(word, 10)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 31:
        raise _error(errno.EINVAL)
    return number


def _cookie(name: bytes) -> int:
    digest = hashlib.blake2b(name, digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 2 | 4
