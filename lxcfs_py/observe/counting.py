"""Reads that are counted: in place of `Operations` where metrics are wanted, and only there."""

import errno
import time
from collections.abc import Mapping
from typing import Protocol

from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.fuse import handles
from lxcfs_py.fuse.cgroups.tree import CgroupTree
from lxcfs_py.fuse.errors import Fallback, errno_of
from lxcfs_py.fuse.operations import Operations
from lxcfs_py.fuse.virtual import VirtualTree

FILES: Mapping[int, str] = {
    handles.NODE: "sys",
    handles.CGROUP: "cgroup",
    **{file.number: file.path for file in VIRTUAL_FILES},
    **{file.for_32_bit.number: file.path for file in VIRTUAL_FILES if file.for_32_bit is not None},
}
"""What a file is called in metrics, by its number in handles."""

OK, FALLBACK = "ok", "fallback"
"""Results, beside the names of errors: FALLBACK is the last text, or the host's."""


class Meter(Protocol):
    """What counts."""

    def add_read(self, file: str, result: str, seconds: float) -> None:
        """A read of a file was answered."""


class CountingOperations(Operations):
    """The file system, with a meter at its reads."""

    def __init__(
        self,
        virtual: VirtualTree,
        cgroups: CgroupTree | None,
        fallback: Fallback,
        meter: Meter,
    ) -> None:
        super().__init__(virtual, cgroups)
        self._fallback = fallback
        self._meter = meter

    def read_now(self, handle: int, offset: int, size: int) -> bytes:
        begun, fallbacks = time.perf_counter(), self._fallback.count
        result = OK
        try:
            return super().read_now(handle, offset, size)
        except Exception as error:
            number = error.errno if isinstance(error, OSError) else errno_of(error, "read")
            result = errno.errorcode.get(number or errno.EIO, str(number))
            raise
        finally:
            if result == OK and self._fallback.count != fallbacks:
                result = FALLBACK
            file = FILES.get(handles.unpack(handle).file, "?")
            self._meter.add_read(file, result, time.perf_counter() - begun)
