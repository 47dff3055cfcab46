"""The virtual files and the host's sysfs: the requests for nodes whose ids come from paths.

A caller is known at lookup, opendir and open only; a handle carries whom it was opened for
(handles.py), and a read at offset 0 renders anew for them.
"""

import errno
import os
import stat
from collections.abc import Mapping
from typing import Protocol

import pyfuse3

from lxcfs_py.files import AnyVirtualFile, Sources
from lxcfs_py.files.cpu_lists import CPU_DIRECTORY
from lxcfs_py.fuse import handles
from lxcfs_py.fuse.errors import Fallback
from lxcfs_py.fuse.handles import Serials
from lxcfs_py.fuse.nodes import inode_of
from lxcfs_py.fuse.sysfs import Sysfs
from lxcfs_py.fuse.texts import Texts
from lxcfs_py.fuse.tree import Node
from lxcfs_py.fuse.triggers import Triggers
from lxcfs_py.fuse.wire import Caller
from lxcfs_py.resources import CpuView
from lxcfs_py.subject import HOST, Subject

_HAS_32_BIT_TEXT = os.uname().machine == "aarch64"
_WRITING = os.O_WRONLY | os.O_RDWR


class Asked(Sources, Protocol):
    """A container that can be asked."""

    def close_files(self) -> None:
        """Forget the descriptors of its cgroups."""

    def save(self) -> None:
        """Keep what has come of its counters."""


class Callers(Protocol):
    """From a thread to its container: what of caller.py is needed here."""

    def subject_of(self, thread: int) -> Subject:
        """Whose cgroups decide what a thread sees."""

    def container(self, who: Subject) -> Asked | None:
        """The container of a subject; None: the host. Raises OSError if it has ended."""

    def is_32_bit(self, thread: int) -> bool:
        """Whether a thread wants to be told of a 32-bit machine."""

    def host_text(self, path: str) -> bytes:
        """The host's own file."""


class VirtualTree:
    """The nodes and handles of `proc/`, of `sys/`, and of the directories above."""

    def __init__(
        self,
        callers: Callers,
        tree: Mapping[int, Node],
        sysfs: Sysfs,
        texts: Texts,
        fallback: Fallback,
        triggers: Triggers | None,
        *,
        host_cpus: bool = False,
    ) -> None:
        """Serve a tree.

        Args:
          triggers: None if pressure files take none.
          host_cpus: everybody sees the host's directory of CPUs.
        """
        self._callers = callers
        self._tree = tree
        self._sysfs = sysfs
        self._fallback = fallback
        self._triggers = triggers
        self._texts = texts
        self._serials = Serials()
        self._files: dict[int, AnyVirtualFile] = {
            file.number: file
            for node in tree.values()
            for file in (node.file, node.file and node.file.for_32_bit)
            if file is not None
        }
        self._cpu_directory = inode_of(CPU_DIRECTORY)
        self._host_cpus = host_cpus
        # Handles whose last text is the host's, because there was none of the container's.
        self._stand_ins: set[int] = set()
        self.host_text_only = False
        """Everybody sees the host's text."""

    # -- names and attributes ---------------------------------------------------------------------

    def lookup(self, parent_inode: int, name: bytes, ctx: Caller) -> pyfuse3.EntryAttributes:
        """A name in a directory."""
        directory = self._tree.get(parent_inode)
        if directory is not None:
            child = directory.children.get(name)
            if child is not None:
                return self._found(child)
            if parent_inode != self._cpu_directory:
                raise pyfuse3.FUSEError(errno.ENOENT)
        parent = self._sysfs.path(parent_inode)
        view = self._view(ctx.pid) if parent == CPU_DIRECTORY else None
        return self._sysfs.attributes(self._sysfs.child(parent, os.fsdecode(name), view))

    def getattr(self, inode: int, ctx: Caller) -> pyfuse3.EntryAttributes:
        """The attributes of a node; never computed from its content."""
        return self._attributes(inode)

    def _found(self, node: Node) -> pyfuse3.EntryAttributes:
        inode = node.attributes.st_ino
        return self._attributes(inode) if inode == self._cpu_directory else node.found

    def _attributes(self, inode: int) -> pyfuse3.EntryAttributes:
        node = self._tree.get(inode)
        if node is not None and inode != self._cpu_directory:
            return node.attributes
        return self._sysfs.attributes(self._sysfs.path(inode))

    def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        ctx: Caller,
    ) -> pyfuse3.EntryAttributes:
        """Nothing can be changed; truncating a pressure file is what a shell's `>` does."""
        node = self._tree.get(inode)
        truncate = fields.update_size and not (
            fields.update_mode or fields.update_uid or fields.update_gid
        )
        if truncate and node is not None and node.file is not None and node.file.mode & 0o222:
            return node.attributes
        raise pyfuse3.FUSEError(errno.EACCES if truncate else errno.EPERM)

    def access(self, inode: int, mode: int, ctx: Caller) -> bool:
        """What a caller may do, as open() decides it."""
        entry = self._attributes(inode)
        allowed = entry.st_mode >> 6 if ctx.uid == 0 else entry.st_mode
        return not mode & 0o7 & ~allowed

    def readlink(self, inode: int) -> bytes:
        """The target of a symlink."""
        return self._sysfs.link(self._sysfs.path(inode))

    # -- directories ------------------------------------------------------------------------------

    def opendir(self, inode: int, ctx: Caller) -> int:
        """A handle that says which directory, and for whom where that matters."""
        if inode == self._cpu_directory:
            return self._new_handle(handles.CPU_DIRECTORY, ctx)
        return inode

    def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """The entries from a position on."""
        for position, (name, entry) in enumerate(self._entries(fh), start=1):
            if position > start_id and not pyfuse3.readdir_reply(token, name, entry, position):
                return

    def _entries(self, fh: int) -> list[tuple[bytes, pyfuse3.EntryAttributes]]:
        handle = handles.unpack(fh)
        of_cpus = handle.file == handles.CPU_DIRECTORY
        inode = self._cpu_directory if of_cpus else fh
        here = self._attributes(inode)
        entries = [(b".", here), (b"..", here)]
        node = self._tree.get(inode)
        if node is not None:
            entries += [(name, self._found(child)) for name, child in node.children.items()]
        if of_cpus or node is None:
            view = self._view_of(handle.subject) if of_cpus else None
            ours = node.children if node is not None else {}
            entries += [
                (os.fsencode(name), self._sysfs.attributes(path))
                for name, path in self._sysfs.entries(self._sysfs.path(inode), view)
                if os.fsencode(name) not in ours
            ]
        return entries

    def mkdir(
        self, parent: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Nothing can be made here."""
        raise refusal(ctx)

    def rmdir(self, parent: int, name: bytes, ctx: Caller) -> None:
        """Nothing can be removed."""
        raise refusal(ctx)

    # -- files ------------------------------------------------------------------------------------

    def open(self, inode: int, flags: int, ctx: Caller) -> pyfuse3.FileInfo:
        """A handle for the caller's container."""
        node = self._tree.get(inode)
        mode = node.file.mode if node and node.file else self._attributes(inode).st_mode
        if flags & _WRITING and not mode & stat.S_IWOTH:
            raise pyfuse3.FUSEError(errno.EACCES)
        if ctx.uid and not mode & stat.S_IROTH:
            raise pyfuse3.FUSEError(errno.EACCES)
        if node is None or node.file is None:
            return pyfuse3.FileInfo(fh=inode, direct_io=True, keep_cache=False)
        file = node.file
        # The one file that says something else to a 32-bit program does so on arm64 only.
        if file.for_32_bit is not None and _HAS_32_BIT_TEXT and self._callers.is_32_bit(ctx.pid):
            file = file.for_32_bit
        fh = self._new_handle(file.number, ctx)
        # One inode is read by many containers: the page cache stays out.
        return pyfuse3.FileInfo(fh=fh, direct_io=True, keep_cache=False)

    def read(self, fh: int, off: int, size: int) -> bytes:
        """Offset 0 renders anew (top opens once, and seeks for hours); others get the same text."""
        part = self._texts.get(fh, off, size) if off else None
        if part is not None:
            return part
        text = self._render(fh)
        self._texts.put(fh, text)
        return text[off : off + size]

    def _new_handle(self, number: int, ctx: Caller) -> int:
        return self._serials.new_handle(number, self._callers.subject_of(ctx.pid), self._texts)

    def _render(self, fh: int) -> bytes:
        number, who, _ = handles.unpack(fh)
        if number == handles.NODE:
            return self._sysfs.text(self._sysfs.path(fh))
        file = self._files.get(number)
        if file is None:
            raise OSError(errno.ESTALE, "no such file any more")
        try:
            text = self._text(file, who)
        except OSError as error:
            last = None if fh in self._stand_ins else self._texts.get(fh)
            if last is None:
                self._stand_ins.add(fh)
            return self._fallback.instead(file.path, error, last=last, host=self._callers.host_text)
        self._stand_ins.discard(fh)
        return text

    def _text(self, file: AnyVirtualFile, who: Subject) -> bytes:
        container = None if self.host_text_only else self._callers.container(who)
        if container is None:
            return self._callers.host_text(file.path)
        try:
            text = file.text(container)
        except OSError:
            # A cgroup that was removed, and made anew under the same name; or the container has
            # just been moved to another.
            container.close_files()
            container = self._callers.container(who) or container
            text = file.text(container)
        container.save()
        return text

    def write(self, fh: int, off: int, buf: bytes) -> int:
        """A trigger on a pressure file."""
        number, who, _ = handles.unpack(fh)
        if self._triggers is None:
            raise pyfuse3.FUSEError(errno.EINVAL)
        return self._triggers.write(fh, self._files[number].path, who, buf)

    def poll(self, fh: int, waiter: int) -> int:
        """Whether a trigger has fired.

        Without triggers the first answer is ENOSYS, and the kernel never asks again: so a
        suspending host does not wait for a poller that waits for a frozen daemon.
        """
        if self._triggers is None:
            raise pyfuse3.FUSEError(errno.ENOSYS)
        file = self._files.get(handles.unpack(fh).file)
        return self._triggers.poll(fh, "" if file is None else file.path, waiter)

    def release(self, fh: int) -> None:
        """The last descriptor of a handle was closed."""
        self._texts.drop(fh)
        self._stand_ins.discard(fh)
        if self._triggers is not None:
            self._triggers.release(fh)

    # -- whose ------------------------------------------------------------------------------------

    def _view(self, thread: int) -> CpuView | None:
        return self._view_of(self._callers.subject_of(thread))

    def _view_of(self, who: Subject) -> CpuView | None:
        if self.host_text_only or self._host_cpus or who == HOST:
            return None
        try:
            container = self._callers.container(who)
            return None if container is None else container.cpus()
        except OSError as error:
            self._fallback.instead(CPU_DIRECTORY, error, last=None, host=lambda _: b"")
            return None


def refusal(ctx: Caller) -> pyfuse3.FUSEError:
    """procfs and sysfs have no such operations; and nobody but root may write to a directory."""
    return pyfuse3.FUSEError(errno.EACCES if ctx.uid else errno.EPERM)
