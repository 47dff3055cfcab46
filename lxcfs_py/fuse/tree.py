"""The part of the tree that is the same for every caller: our directories and virtual files."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pyfuse3

from lxcfs_py.files import AnyVirtualFile
from lxcfs_py.fuse.nodes import attributes, inode_of


@dataclass(frozen=True, slots=True)
class Node:
    """A directory (`file` is None) or a virtual file."""

    path: str
    attributes: pyfuse3.EntryAttributes
    """What stat(2) shows: a file has size 0, as in procfs."""
    found: pyfuse3.EntryAttributes
    """What the kernel is told at a lookup: a file has the size of the host's. The kernel keeps that
    size for itself (operations.getattr), and for sendfile(2) asks us for what is in the file."""
    file: AnyVirtualFile | None = None
    children: dict[bytes, "Node"] = field(default_factory=dict)


def build_tree(
    files: Iterable[AnyVirtualFile],
    directories: Iterable[str],
    size_of: Callable[[str], int],
    time_ns: int,
) -> Mapping[int, Node]:
    """The nodes by inode: the files, the directories, and all directories above them.

    Args:
      size_of: the size of the host's text of a file, about.
      time_ns: the time that every node shows: that of the mount.
    """
    nodes: dict[str, Node] = {"": _directory("", time_ns)}

    def add(path: str, node: Node) -> None:
        parent, _, name = path.rpartition("/")
        if parent not in nodes:
            add(parent, _directory(parent, time_ns))
        nodes[path] = node
        nodes[parent].children[os.fsencode(name)] = node

    for path in directories:
        add(path, _directory(path, time_ns))
    for file in files:
        add(file.path, _file(file, max(size_of(file.path), 1), time_ns))
    for node in nodes.values():
        # A directory has a link from each directory in it.
        if node.file is None:
            node.attributes.st_nlink = 2 + sum(1 for n in node.children.values() if not n.file)
    return {node.attributes.st_ino: node for node in nodes.values()}


def add_links(nodes: Mapping[int, Node], directory: str, children: Mapping[bytes, int]) -> None:
    """Show directories that are another's, by name and inode, in a directory of ours."""
    parent = nodes[inode_of(directory)]
    for name, inode in children.items():
        entry = attributes(
            inode, stat.S_IFDIR | 0o555, time_ns=0, nlink=2, entry_timeout=0, attr_timeout=0
        )
        parent.children[name] = Node(f"{directory}/{os.fsdecode(name)}", entry, entry)
        parent.attributes.st_nlink += 1


def take_out(nodes: Mapping[int, Node], paths: Iterable[str]) -> None:
    """Show some files and directories no longer.

    They are still there for whoever has them mounted or open.
    """
    for path in paths:
        directory, _, name = path.rpartition("/")
        parent = nodes[inode_of(directory)]
        node = parent.children.pop(os.fsencode(name), None)
        if node is not None and node.file is None:
            parent.attributes.st_nlink -= 1


def _directory(path: str, time_ns: int) -> Node:
    entry = attributes(inode_of(path), stat.S_IFDIR | 0o555, time_ns=time_ns, nlink=2)
    return Node(path, entry, entry)


def _file(file: AnyVirtualFile, size: int, time_ns: int) -> Node:
    inode, mode = inode_of(file.path), stat.S_IFREG | file.mode
    shown, found = (
        attributes(inode, mode, time_ns=time_ns, size=size, attr_timeout=0) for size in (0, size)
    )
    return Node(file.path, shown, found, file)
