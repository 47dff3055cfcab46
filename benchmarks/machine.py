"""Where and with what it was measured."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cgroups import cgroup_mounts

_TREE = Path(__file__).parent.parent
_VERSIONS = "import pyfuse3, trio; print(f'pyfuse3 {pyfuse3.__version__}, trio {trio.__version__}')"


def facts(lxcfs: str, python: str, how: str) -> Mapping[str, str]:
    """Name and value, for the head of the report."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _commit(),
        "run": how,
        "machine": f"{os.cpu_count()} x {_cpu_model()}, {_memory_gib():.0f} GiB",
        "load when it began": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "kernel": platform.release(),
        "cgroups": _cgroup_layout(),
        "lxcfs": _output([lxcfs, "--version"]).strip('"'),
        "python": _output([python, "--version"]) + ", " + _output([python, "-c", _VERSIONS]),
        "libfuse": _output(["pkg-config", "--modversion", "fuse3"]),
        "gcc": _output(["gcc", "-dumpfullversion"]),
    }


def _commit() -> str:
    git = ["git", "-c", f"safe.directory={_TREE}", "-C", str(_TREE)]
    changed = _output([*git, "status", "--porcelain", "--untracked-files=no"])
    return _output([*git, "rev-parse", "--short=12", "HEAD"]) + (" and changes" if changed else "")


def _output(command: Sequence[str]) -> str:
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20
    )
    return result.stdout.strip()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def _cgroup_layout() -> str:
    mountinfo = Path("/proc/self/mountinfo").read_text()
    v2 = mountinfo.count(" - cgroup2 ")
    v1 = len(cgroup_mounts(mountinfo)) - bool(v2)
    return {(True, True): "hybrid", (True, False): "v1"}.get((v1 > 0, v2 > 0), "v2")
