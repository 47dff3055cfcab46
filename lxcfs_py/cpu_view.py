"""Which CPUs a container is shown: one answer for every file.

Documentation/admin-guide/cgroup-v2.rst, "cpuset.cpus.effective" and "cpu.max".
"""

import math
from collections.abc import Sequence

from lxcfs_py.resources import CpuView


def view_of(
    *,
    online: Sequence[int],
    mask: Sequence[int] | None,
    quota: float | None,
    by_quota: bool = True,
    compact: bool = False,
) -> CpuView:
    """The first n CPUs of the mask, n by quota and mask.

    Args:
      online: the host's CPUs.
      mask: cpuset.cpus.effective; None where no cpuset bounds the container.
      quota: CPUs; None for no limit.
      by_quota: whether the quota bounds the number of CPUs; the capacity it always bounds.
    """
    present = frozenset(online)
    allowed = tuple(online) if mask is None else tuple(cpu for cpu in mask if cpu in present)
    # A mask whose last CPU has just gone offline: the kernel moves on to the parent's.
    allowed = allowed or tuple(online)
    count = len(allowed)
    if by_quota and quota is not None:
        count = min(count, max(1, math.ceil(quota)))
    capacity = float(len(allowed)) if quota is None else min(quota, len(allowed))
    return CpuView(allowed[:count], capacity, compact)
