"""Which CPUs a container is shown: one answer for every file.

Documentation/admin-guide/cgroup-v2.rst, "cpuset.cpus.effective" and "cpu.max".
"""

import functools
import math
from collections.abc import Sequence

from lxcfs_py.resources import CpuView

# How `view_of` comes to them (observe/formula.py); the mask is the number of CPUs that `allowed`
# gives.
COUNT_BY_QUOTA = "min({cpus.mask}, max(1, ceil({cpus.quota})))"
COUNT_BY_MASK = "{cpus.mask}"
CAPACITY = "min({cpus.quota}, {cpus.mask})"


@functools.lru_cache(maxsize=256)
def view_of(
    *,
    online: tuple[int, ...],
    mask: tuple[int, ...] | None,
    quota: float | None,
    by_quota: bool = True,
    compact: bool = False,
) -> CpuView:
    """The first n CPUs of the mask, n by quota and mask; remembered, for limits seldom change.

    Args:
      online: the host's CPUs.
      mask: cpuset.cpus.effective; None where no cpuset bounds the container.
      quota: CPUs; None for no limit.
      by_quota: whether the quota bounds the number of CPUs; the capacity it always bounds.
    """
    cpus = allowed(online, mask)
    count = len(cpus)
    if by_quota and quota is not None:
        count = min(count, max(1, math.ceil(quota)))
    capacity = float(len(cpus)) if quota is None else min(quota, len(cpus))
    return CpuView(cpus[:count], capacity, compact)


def allowed(online: Sequence[int], mask: Sequence[int] | None) -> tuple[int, ...]:
    """The CPUs of a mask that are there."""
    if mask is None:
        return tuple(online)
    present = frozenset(online)
    # A mask whose last CPU has just gone offline: the kernel moves on to the parent's.
    return tuple(cpu for cpu in mask if cpu in present) or tuple(online)
