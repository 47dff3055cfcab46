"""A cgroup and its ancestors up to below the root, read by descriptors.

The interface files that are read again and again stay open: a pread(2) of an open file takes 1 us,
opening and closing it 4 us more. All are opened relative to the directory of the cgroup, so that
whatever happens to its path, they are that cgroup's. Once it is removed they answer ENODEV.
"""

import errno
import functools
import os
from collections.abc import Iterator, Mapping

from lxcfs_py.host import read_all
from lxcfs_py.kernel.formats import parse_flat_keyed

# A container may nest cgroups without end; descriptors are for the usual depth.
_LEVELS_KEPT_OPEN = 16
_READ_SIZE = 8 * 1024


class Descriptors:
    """How many descriptors all lineages together keep open."""

    def __init__(self) -> None:
        self.count = 0


@functools.cache
def _shared(name: str, level: int) -> tuple[str, int]:
    """The key for all containers: a thousand of them have 20,000 files open."""
    return name, level


_File = tuple["Lineage", str, int]
"""The name of an interface file, and the level."""


class Known:
    """What is kept of a container's interface files."""

    __slots__ = ("absent", "values")

    def __init__(self) -> None:
        self.values: dict[_File, Mapping[bytes, int]] = {}
        """What has been parsed for the current set of questions."""
        self.absent: set[_File] = set()
        """What does not exist, in this moment: looking for it takes 5 us."""


class Lineage:
    """One cgroup of one hierarchy; not the root, which bounds nobody."""

    __slots__ = ("_descriptors", "_directory", "_everywhere", "_files", "_known", "depth")

    def __init__(
        self, mountpoint: str, path: str, descriptors: Descriptors, known: "Known"
    ) -> None:
        """Open a cgroup; `known` is shared by the lineages of a container."""
        self.depth = path.count("/")
        """1 for a child of the root."""
        self._descriptors = descriptors
        self._files: dict[tuple[str, int], int] = {}
        self._everywhere: dict[str, list[int]] = {}
        self._known = known
        self._directory = os.open(
            mountpoint + path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        )
        descriptors.count += 1

    def read(self, name: str, level: int = 0) -> bytes:
        """The text of an interface file, of the cgroup or of its ancestor `level` levels up.

        Raises:
          FileNotFoundError: there is no such file at that level: the controller is not enabled.
          OSError: ENODEV, the cgroup is gone.
        """
        if level >= _LEVELS_KEPT_OPEN:
            return self._read_once(name, level)
        file = self._files.get((name, level))
        if file is None:
            if (self, name, level) in self._known.absent:
                raise FileNotFoundError(errno.ENOENT, "not in this moment", name)
            file = self._open(name, level)
            self._files[_shared(name, level)] = file
            self._descriptors.count += 1
        # These files are made in one piece: a read that fills less than the buffer is all of it.
        text = os.pread(file, _READ_SIZE, 0)
        return text if len(text) < _READ_SIZE else read_all(file)

    def flat_keyed(self, name: str, level: int = 0) -> Mapping[bytes, int]:
        """The values of a flat keyed file, read once for each set of questions.

        memory.stat is the dearest of all: 7 us to read, 8 us to parse.
        """
        values = self._known.values.get((self, name, level))
        if values is None:
            values = parse_flat_keyed(self.read(name, level))
            self._known.values[self, name, level] = values
        return values

    def read_where_enabled(self, name: str) -> tuple[bytes, int] | None:
        """The text of a file in the nearest cgroup that has it, and that cgroup's level."""
        for level in range(self.depth):
            try:
                return self.read(name, level), level
            except FileNotFoundError:
                continue
        return None

    def read_upwards(self, name: str, level: int = 0) -> Iterator[bytes]:
        """The texts of a file in the cgroup and every ancestor that has it."""
        for above in range(level, self.depth):
            try:
                yield self.read(name, above)
            except FileNotFoundError:
                continue

    def read_everywhere(self, name: str) -> list[bytes]:
        """The texts of a small file that the cgroup and every ancestor has.

        Raises: as `read`; where one has none, `read_upwards` skips it.
        """
        files = self._everywhere.get(name)
        if files is None:
            texts = [self.read(name, level) for level in range(self.depth)]
            if self.depth <= _LEVELS_KEPT_OPEN:
                self._everywhere[name] = [self._files[name, level] for level in range(self.depth)]
            return texts
        return [os.pread(file, _READ_SIZE, 0) for file in files]

    @property
    def directory(self) -> int:
        """The cgroup's directory, as a descriptor that stays ours."""
        return self._directory

    def open_file(self, name: str, flags: int) -> int:
        """A new descriptor of one of the cgroup's files; the caller closes it."""
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory)

    @property
    def cgroup_id(self) -> int:
        """The number that the kernel knows the cgroup by."""
        return os.fstat(self._directory).st_ino

    def close(self) -> None:
        """Close every descriptor."""
        self._descriptors.count -= len(self._files) + 1
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        self._everywhere.clear()
        os.close(self._directory)

    def _open(self, name: str, level: int) -> int:
        try:
            return os.open(
                "../" * level + name,
                os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC,
                dir_fd=self._directory,
            )
        except FileNotFoundError:
            self._check_alive()
            self._known.absent.add((self, name, level))
            raise

    def _check_alive(self) -> None:
        # A removed directory has no files, but its `..` still leads to the parent, whose numbers
        # would be taken for the nearest ancestor's. A cgroup of either version has cgroup.procs.
        if not os.access("cgroup.procs", os.F_OK, dir_fd=self._directory):
            raise OSError(errno.ENODEV, "the cgroup was removed")

    def _read_once(self, name: str, level: int) -> bytes:
        file = self._open(name, level)
        try:
            return read_all(file)
        finally:
            os.close(file)
