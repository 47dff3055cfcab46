"""/sys/devices/system/cpu/{online,possible,present,offline,isolated}: the shown CPUs.

Documentation/admin-guide/cputopology.rst. Everything else below that directory is the host's, but
for the cpuN directories of CPUs that are not shown (fuse/sysfs.py).
"""

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
from lxcfs_py.kernel.cpulist import format_cpulist
from lxcfs_py.resources import CpuView

CPU_DIRECTORY = "sys/devices/system/cpu"


def gather(sources: Sources) -> CpuView | None:
    """Ask which CPUs are shown."""
    return sources.cpus()


def render(view: CpuView) -> bytes:
    """Their list."""
    return format_cpulist(view.numbers)


def render_none(_: CpuView) -> bytes:
    """The list of no CPU."""
    return format_cpulist(())


def explain(view: CpuView, text: bytes) -> Explanation:
    """As `render`."""
    field = Field("CPUs", text.decode().strip(), in_words_of(view), in_words=True)
    return Explanation({"cpus.count": len(view.shown)}, (field,))


def explain_none(view: CpuView, text: bytes) -> Explanation:
    """As `render_none`."""
    field = Field("CPUs", text.decode().strip(), "none, in every container", in_words=True)
    return Explanation({}, (field,))


def in_words_of(view: CpuView) -> str:
    """Which CPUs a view shows."""
    if view.compact:
        return "{cpus.count} CPUs, numbered from 0 (--cpu-numbering compact)"
    return "the first {cpus.count} CPUs of the mask"


FILES = (
    VirtualFile(f"{CPU_DIRECTORY}/online", 13, gather, render, explain),
    VirtualFile(f"{CPU_DIRECTORY}/possible", 14, gather, render, explain),
    VirtualFile(f"{CPU_DIRECTORY}/present", 15, gather, render, explain),
    VirtualFile(f"{CPU_DIRECTORY}/offline", 16, gather, render_none, explain_none),
    VirtualFile(f"{CPU_DIRECTORY}/isolated", 17, gather, render_none, explain_none),
)
