"""Measure and report. Started by ./run-benchmarks, which gives it namespaces of its own."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.bench import Bench
from benchmarks.build import build_helpers
from benchmarks.cgroups import hierarchies
from benchmarks.machine import facts
from benchmarks.plan import FULL, QUICK
from benchmarks.report import as_json, markdown
from benchmarks.results import FLOOR, KERNEL, LXCFS, OURS, UNCACHED, Results
from benchmarks.sections import large, latency, loadavg, scale, spaced, start, throughput, tree
from benchmarks.servers import KERNEL as KERNEL_SERVER
from benchmarks.servers import Server, floor, lxcfs, ours
from lxcfs_py.syscalls import mount

_SECTIONS: Mapping[str, Callable[[Bench], None]] = {
    "latency": latency.measure,
    "spaced": spaced.measure,
    "large": large.measure,
    "throughput": throughput.measure,
    "scale": scale.measure,
    "start": start.measure,
    "loadavg": loadavg.measure,
    "tree": tree.measure,
}

_RECORD = Path(__file__).parent / "RESULTS"
"""Where a run goes that is for the record."""

_NOTES = [
    "lxcfs runs with -l throughout: ours has the load average always, and both are to do the "
    "same work. Without -l lxcfs' loadavg is the host's text.",
    "With nothing kept, every read of ours asks the kernel for everything, and in brackets is its "
    "ratio to lxcfs: otherwise some of it may be 10 ms old, but no limit.",
    "CPU time, RSS and PSS are those of the daemon's whole process tree.",
    "The servers are asked in turn, never together, from containers that stay the same; who is "
    "first changes from round to round.",
]


def main() -> int:
    """Run the sections that were asked for; print the table and write it to files."""
    options = _parse()
    if os.getpid() != 1:
        sys.exit("start me by ./run-benchmarks: I need a pid and a mount namespace of my own")
    signal.signal(signal.SIGTERM, _stop)
    mount("tmpfs", "/run", "tmpfs")  # where lxcfs makes its directories
    how = facts(options.lxcfs, options.python, _how(options))
    results = Results()
    try:
        notes = [*_NOTES, *_measure(options, results)]
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    _write(options.output, markdown(how, results.rows, notes), as_json(how, results.rows, notes))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run-benchmarks", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute's worth, not for the record")
    parser.add_argument(
        "--self-check",
        action="store_true",
        help="measure lxcfs against itself: every ratio is to be 1",
    )
    parser.add_argument("--only", choices=_SECTIONS, action="append", help="sections to measure")
    parser.add_argument("--python", default=sys.executable, help="the interpreter for lxcfs_py")
    parser.add_argument("--lxcfs", default="lxcfs", help="the peer's program")
    parser.add_argument("--cgroup", default=f"lxcfs-py-bench-{os.getpid()}", help="its name")
    parser.add_argument(
        "--output",
        type=Path,
        help="where the results go, without .md and .json (a full run: benchmarks/RESULTS)",
    )
    options = parser.parse_args()
    if not (options.output or options.quick or options.self_check or options.only):
        options.output = _RECORD
    return options


def _how(options: argparse.Namespace) -> str:
    words = ["quick" if options.quick else "full"]
    words += ["lxcfs against itself"] if options.self_check else []
    words += [f"only {', '.join(options.only)}"] if options.only else []
    return ", ".join(words)


def _measure(options: argparse.Namespace, results: Results) -> list[str]:
    """Fill the results; return what else there is to say."""
    with tempfile.TemporaryDirectory() as programs, hierarchies(options.cgroup) as own:
        helpers = build_helpers(Path(programs))
        plan = QUICK if options.quick else FULL
        servers = {**_daemons(options), FLOOR: floor(helpers.floor), KERNEL: KERNEL_SERVER}
        bench = Bench(plan, helpers, own, servers, results)
        for name in options.only or _SECTIONS:
            begin = time.monotonic()
            _SECTIONS[name](bench)
            print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        return [f"The readers' CPU quota was hit {own.throttled()} times."]


def _daemons(options: argparse.Namespace) -> Mapping[str, Server]:
    peer = lxcfs(options.lxcfs)
    if options.self_check:
        return {LXCFS: peer, OURS: peer, UNCACHED: peer}
    return {
        LXCFS: peer,
        OURS: ours(options.python),
        UNCACHED: ours(options.python, uncached=True),
    }


def _write(output: Path | None, table: str, document: str) -> None:
    print(table)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.with_suffix(".md").write_text(table)
        output.with_suffix(".json").write_text(document)


def _stop(signal_number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signal_number)


if __name__ == "__main__":
    sys.exit(main())
