"""Text of machines that nobody here has: made up, in the kernel's format, not captured."""

from collections.abc import Sequence

from lxcfs_py.kernel.meminfo import layout_of


def x86_cpuinfo(cpus: Sequence[int], *, siblings: int = 2, cores: int = 1) -> bytes:
    """/proc/cpuinfo: arch/x86/kernel/cpu/proc.c, show_cpuinfo(), shortened."""
    return b"".join(
        b"processor\t: %d\nvendor_id\t: GenuineIntel\nmodel name\t: Intel Xeon\n"
        b"cpu MHz\t\t: 2900.000\nphysical id\t: %d\nsiblings\t: %d\ncore id\t\t: %d\n"
        b"cpu cores\t: %d\nflags\t\t: fpu vme de\npower management:\n\n"
        % (cpu, cpu // siblings, siblings, cpu % siblings, cores)
        for cpu in cpus
    )


def stat(cpus: Sequence[int], *, columns: int = 10) -> bytes:
    """/proc/stat: fs/proc/stat.c, show_stat(); every counter is 7."""
    numbers = b" 7" * columns
    return b"".join(
        [
            b"cpu " + numbers + b"\n",
            *(b"cpu%d" % cpu + numbers + b"\n" for cpu in cpus),
            b"intr 7 7 7\nctxt 7\nbtime 1795303000\nprocesses 7\nprocs_running 7\n",
            b"procs_blocked 7\nsoftirq 7 7 7\n",
        ]
    )


def meminfo_like(captured: bytes, **values: int) -> bytes:
    """A captured /proc/meminfo with other numbers, by label; the columns are the kernel's."""
    layout = layout_of(captured)
    numbers = {label: values.get(label.decode(), 7) for label in layout.labels}
    return layout.format % tuple(numbers[label] for label in layout.labels)
