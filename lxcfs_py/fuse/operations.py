"""The requests: one short method for each, that asks whose node or handle it is.

Handlers are plain methods. Those that end in `_now` front.py calls, for the requests that a read of
a file is made of; `answers` (errors.py) turns the others into pyfuse3's. Node ids of the cgroup
tree have something in their upper bits, those that come from paths have not (nodes.py); handles
tell in their first bits (handles.py).
"""

import errno
from typing import Protocol

import pyfuse3

from lxcfs_py.fuse import handles
from lxcfs_py.fuse.cgroups.tree import CgroupTree
from lxcfs_py.fuse.errors import answers
from lxcfs_py.fuse.nodes import CGROUP_DIRECTORY, inode_of
from lxcfs_py.fuse.virtual import VirtualTree, refusal
from lxcfs_py.fuse.wire import Caller


class Backend(Protocol):
    """A part of the tree. Errors are OSErrors."""

    def lookup(self, parent: int, name: bytes, ctx: Caller, /) -> pyfuse3.EntryAttributes:
        """A name in a directory."""

    def getattr(self, node: int, ctx: Caller, /) -> pyfuse3.EntryAttributes:
        """The attributes of a node."""

    def setattr(
        self,
        node: int,
        wanted: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        ctx: Caller,
        /,
    ) -> pyfuse3.EntryAttributes:
        """Change attributes; returns what they are then."""

    def access(self, node: int, mode: int, ctx: Caller, /) -> bool:
        """Whether a caller may do something."""

    def mkdir(
        self, parent: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext, /
    ) -> pyfuse3.EntryAttributes:
        """Make a directory."""

    def rmdir(self, parent: int, name: bytes, ctx: Caller, /) -> None:
        """Remove a directory."""

    def opendir(self, node: int, ctx: Caller, /) -> int:
        """A handle for a listing."""

    def readdir(self, fh: int, start: int, token: pyfuse3.ReaddirToken, /) -> None:
        """The entries from a position on."""

    def open(self, node: int, flags: int, ctx: Caller, /) -> pyfuse3.FileInfo:
        """A handle for reading and writing."""

    def read(self, fh: int, off: int, size: int, /) -> bytes:
        """A part of a file."""

    def write(self, fh: int, off: int, text: bytes, /) -> int:
        """Write to a file; returns how much was."""

    def release(self, fh: int, /) -> None:
        """The last descriptor of a handle was closed."""


class Operations(pyfuse3.Operations):
    """The file system."""

    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self, virtual: VirtualTree, cgroups: CgroupTree | None) -> None:
        """Serve; `cgroups` is None where there is no cgroup tree."""
        super().__init__()
        self._virtual = virtual
        self._cgroups = cgroups
        self._roots = {} if cgroups is None else cgroups.roots()
        self._cgroup_directory = inode_of(CGROUP_DIRECTORY)

    def init(self) -> None:
        """The connection is up."""

    def _of_node(self, node: int) -> Backend:
        return self._cgroups if self._cgroups and node >> handles.NODE_BITS else self._virtual

    def _of_handle(self, fh: int) -> Backend:
        in_cgroups = fh >> handles.FILE_SHIFT == handles.CGROUP
        return self._cgroups if self._cgroups and in_cgroups else self._virtual

    # -- names and attributes ---------------------------------------------------------------------

    def lookup_now(self, parent: int, name: bytes, caller: Caller) -> pyfuse3.EntryAttributes:
        """A name in a directory."""
        if parent == self._cgroup_directory and name in self._roots:
            node = self._roots[name]
            return self._of_node(node).getattr(node, caller)
        return self._of_node(parent).lookup(parent, name, caller)

    def getattr_now(self, node: int, caller: Caller) -> pyfuse3.EntryAttributes:
        """The attributes of a node; never computed from its content."""
        return self._of_node(node).getattr(node, caller)

    @answers
    def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        """Change mode or owner, where there is something to change."""
        return self._of_node(inode).setattr(inode, attr, fields, ctx)

    @answers
    def access(self, inode: int, mode: int, ctx: pyfuse3.RequestContext) -> bool:
        """What a caller may do, as open() decides it."""
        return self._of_node(inode).access(inode, mode, ctx)

    @answers
    def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        """The target of a symlink; the cgroup tree has none."""
        return self._virtual.readlink(inode)

    @answers
    def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """As procfs: no blocks."""
        data = pyfuse3.StatvfsData()
        data.f_bsize = data.f_frsize = 4096
        data.f_namemax = 255
        return data

    @answers
    def forget(self, inode_list: object) -> None:
        """Nothing to forget: numbers come from paths, and from the kernel."""

    # -- making and removing ----------------------------------------------------------------------

    @answers
    def mkdir(
        self, parent_inode: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Make a cgroup."""
        return self._of_node(parent_inode).mkdir(parent_inode, name, mode, ctx)

    @answers
    def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """Remove a cgroup."""
        return self._of_node(parent_inode).rmdir(parent_inode, name, ctx)

    # Nothing else can be made, removed or renamed. Left alone, these would answer ENOSYS.

    @answers
    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        """As in sysfs: fs/namei.c, lookup_open()."""
        raise pyfuse3.FUSEError(errno.EACCES)

    @answers
    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Refused."""
        raise refusal(ctx)

    @answers
    def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Refused."""
        raise refusal(ctx)

    @answers
    def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Refused."""
        raise refusal(ctx)

    @answers
    def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        """Refused."""
        raise refusal(ctx)

    @answers
    def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        """Refused: cgroup2 says the same."""
        raise refusal(ctx)

    # -- directories ------------------------------------------------------------------------------

    @answers
    def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """A handle that says which directory, and for whom where that matters."""
        return self._of_node(inode).opendir(inode, ctx)

    @answers
    def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """The entries from a position on."""
        self._of_handle(fh).readdir(fh, start_id, token)

    @answers
    def releasedir(self, fh: int) -> None:
        """The last descriptor of a listing was closed."""
        self._of_handle(fh).release(fh)

    # -- files ------------------------------------------------------------------------------------

    def open_now(self, node: int, flags: int, caller: Caller) -> pyfuse3.FileInfo:
        """A handle for the caller's container."""
        return self._of_node(node).open(node, flags, caller)

    def read_now(self, handle: int, offset: int, size: int) -> bytes:
        """Offset 0 reads anew (top opens once, and seeks for hours); others get the same text."""
        return self._of_handle(handle).read(handle, offset, size)

    @answers
    def write(self, fh: int, off: int, buf: bytes) -> int:
        """A trigger on a pressure file, or a value for a cgroup."""
        return self._of_handle(fh).write(fh, off, buf)

    def poll_now(self, handle: int, waiter: int) -> int:
        """Whether a trigger has fired; with none, who is to be told of the next event."""
        return self._virtual.poll(handle, waiter)

    async def flush(self, fh: int) -> None:
        """Nothing to flush; the kernel does not ask again."""
        raise pyfuse3.FUSEError(errno.ENOSYS)

    def release_now(self, handle: int) -> None:
        """The last descriptor of a handle was closed."""
        self._of_handle(handle).release(handle)

    def asked(self, *, again: bool) -> None:
        """A request begins; `again`: an earlier worker may have carried it out."""
        if self._cgroups is not None:
            self._cgroups.asked(again=again)

    def answered(self) -> None:
        """Whoever asked last has their answer."""
        if self._cgroups is not None:
            self._cgroups.answered()
