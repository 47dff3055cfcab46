"""/sys/devices/system/cpu: the host's directory, without the cpuN of CPUs that are not shown.

Documentation/ABI/testing/sysfs-devices-system-cpu. The host's sysfs is shown, read-only: contents,
symlinks, numbers of links. A container's own are the lists of CPUs (files/cpu_lists.py), and which
cpuN there are; those names are asked for at each path walk, by each container anew.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator

import pyfuse3

from lxcfs_py.files.cpu_lists import CPU_DIRECTORY
from lxcfs_py.fuse.nodes import attributes, inode_of
from lxcfs_py.host import read_file
from lxcfs_py.resources import CpuView

_CPU_NAME = re.compile(r"cpu(\d+)")
# CPUs come and go with the host; nothing else changes there.
_TIMEOUT = 1.0


class Sysfs:
    """The nodes of the host's directory, by inode: found by their names, or all at once."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._paths: dict[int, str] = {}
        self._remember(CPU_DIRECTORY)

    def _host(self, path: str) -> str:
        return os.path.join(self._root, path)

    def _remember(self, path: str) -> int:
        inode = inode_of(path)
        self._paths[inode] = path
        return inode

    def path(self, inode: int) -> str:
        """The path of a node, `sys/devices/system/cpu/cpu0`.

        Raises:
          OSError: ESTALE, there is none.
        """
        found = self._paths.get(inode)
        if found is None:
            # The kernel may know it from an earlier worker.
            for directory, names, files in os.walk(self._host(CPU_DIRECTORY)):
                relative = os.path.relpath(directory, self._root)
                for name in (*names, *files):
                    self._remember(f"{relative}/{name}")
            found = self._paths.get(inode)
        if found is None:
            raise OSError(errno.ESTALE, "no such node")
        return found

    def attributes(self, path: str) -> pyfuse3.EntryAttributes:
        """The host's attributes, read-only."""
        status = os.lstat(self._host(path))
        mode = status.st_mode if stat.S_ISLNK(status.st_mode) else status.st_mode & ~0o222
        depends_on_caller = os.path.dirname(path) == CPU_DIRECTORY and _CPU_NAME.fullmatch(
            os.path.basename(path)
        )
        return attributes(
            self._remember(path),
            mode,
            time_ns=status.st_mtime_ns,
            nlink=status.st_nlink,
            size=status.st_size,
            entry_timeout=0 if depends_on_caller else _TIMEOUT,
            attr_timeout=_TIMEOUT,
        )

    def child(self, parent: str, name: str, view: CpuView | None) -> str:
        """The path of a name in a directory, as a caller sees it.

        Raises:
          OSError: ENOENT, the CPU is not shown.
        """
        number = _CPU_NAME.fullmatch(name)
        if parent != CPU_DIRECTORY or number is None or view is None:
            return f"{parent}/{name}"
        for position, cpu in enumerate(view.shown):
            if view.number(position) == int(number[1]):
                return f"{parent}/cpu{cpu}"
        raise FileNotFoundError(errno.ENOENT, "not shown", name)

    def entries(self, path: str, view: CpuView | None) -> Iterator[tuple[str, str]]:
        """Name and path of everything in a directory, as a caller sees it."""
        numbers = None if view is None else dict(zip(view.shown, view.numbers, strict=True))
        for name in sorted(os.listdir(self._host(path))):
            found = _CPU_NAME.fullmatch(name)
            if path != CPU_DIRECTORY or found is None or numbers is None:
                yield name, f"{path}/{name}"
            elif (number := numbers.get(int(found[1]))) is not None:
                yield f"cpu{number}", f"{path}/{name}"

    def link(self, path: str) -> bytes:
        """The target of a symlink."""
        return os.fsencode(os.readlink(self._host(path)))

    def text(self, path: str) -> bytes:
        """The content of a file."""
        return read_file(self._host(path))
