"""`lxcfs-py explain`: where every number of a virtual file comes from.

The daemon reads the file for the container once more, with a record of what it read and what each
number is made of. Formulas are worked out here: one that did not give what is shown would say so.
"""

import argparse
from collections.abc import Mapping, Sequence

from lxcfs_py.attach import live_mount
from lxcfs_py.cgroup.origins import Origin, origin_of
from lxcfs_py.cgroup.recording import Read
from lxcfs_py.errors import CannotRun
from lxcfs_py.files import Field
from lxcfs_py.observe.answers import EXPLAIN, FILES, Explained
from lxcfs_py.observe.asking import Daemon, add_whom, whom
from lxcfs_py.observe.bound import look
from lxcfs_py.observe.formula import Value, terms_of
from lxcfs_py.observe.lines import Line, worked_out
from lxcfs_py.observe.show import harmless, show_json, show_table

_WIDEST = 72
# What no control file says, or not as it is.
_NOTES = (
    ("age", "the boot-time clock - field 22 of /proc/{pid}/stat, the start of its init"),
    ("load.", "kept by the daemon: a step every 5 s, over the threads listed below there"),
    ("threads.", "the threads listed below there"),
)
_COUNTERS = "the daemon's counters: user and system by what it has grown, "
_IDLE = "idle by cpus.capacity x time - used"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    add_whom(parser)
    parser.add_argument("file", metavar="FILE", nargs="?", help="meminfo, or /proc/meminfo, ...")
    parser.add_argument("--json", action="store_true", help="for programs, with all that was read")


def run(arguments: argparse.Namespace) -> int:
    """Explain one file, or all; status 1 if a formula does not give what is shown."""
    daemon = Daemon.of(arguments)
    who = whom(arguments.who)
    paths = paths_called(arguments.file, daemon.ask(FILES)["files"])
    answers = [_ask(daemon, who, path) for path in paths]
    # Others of the container may see other mounts than the process that was named.
    bound = _not_bound(daemon, who if isinstance(who, int) else answers[0].pid)
    if arguments.json:
        show_json([_for_json(answer, bound) for answer in answers])
    else:
        for answer in answers:
            _show(answer, bound)
    return int(not all(line.is_right for answer in answers for line in lines_of(answer)))


def paths_called(word: str | None, paths: Sequence[str]) -> Sequence[str]:
    """The served files that are meant: by their paths, or by the ends of them; None: all.

    Raises:
      CannotRun: there is none.
    """
    if word is None:
        return paths
    wanted = word.strip("/")
    found = [path for path in paths if path == wanted or path.endswith(f"/{wanted}")]
    if len(found) != 1:
        raise CannotRun(f"{word}: not a file that is served here: one of {', '.join(paths)}")
    return found


def _ask(daemon: Daemon, who: int | str, path: str) -> Explained:
    return Explained.from_json(daemon.ask(EXPLAIN, who=who, file=path))


def _not_bound(daemon: Daemon, pid: int) -> Sequence[str]:
    """What the container has not of our files, a line for each."""
    return look(pid, live_mount(daemon.mountpoint)).failed


def lines_of(answer: Explained) -> list[Line]:
    """Every number of an answer, worked out."""
    return worked_out(answer.terms, [Field(*field) for field in answer.fields])


def origins(answer: Explained) -> list[tuple[str, Value, Origin, str]]:
    """Each term that a formula names: its value, where it comes from, and how long that took."""
    reads = [Read(path, text.encode(), usec) for path, text, usec in answer.reads]
    times = {read.path: f"{read.seconds:.0f} us" for read in reversed(reads) if read.text}
    named = dict.fromkeys(term for field in answer.fields for term in terms_of(field[2]))
    found = []
    for term in named:
        if term in answer.terms:
            origin = origin_of(term, answer.file, reads) or Origin("-", "")
            note = "; ".join(filter(None, (origin.note, _note(term, origin, answer.pid))))
            found.append(
                (term, answer.terms[term], origin._replace(note=note), times.get(origin.path, ""))
            )
    return found


def _note(term: str, origin: Origin, pid: int) -> str:
    if origin.path.endswith("memory.memsw.usage_in_bytes"):
        return "less memory.usage_in_bytes"
    if term.startswith("cpu") and not term.startswith("cpus."):
        return _COUNTERS + _IDLE
    return next((note.format(pid=pid) for begin, note in _NOTES if term.startswith(begin)), "")


def _show(answer: Explained, not_bound: Sequence[str]) -> None:
    print(f"/{answer.file} of {harmless(answer.name)} (process {answer.pid}), {answer.usec:.0f} us")
    for line in not_bound:
        if line.split(": ")[0] in _above(f"/{answer.file}") or ":" not in line:
            print(f"The container is shown something else: {line} (see lxcfs-py attach)")
    if answer.why_host:
        print(f"The host's text: {answer.why_host}.\n")
        return
    lines = lines_of(answer)
    if any(not line.is_right for line in lines):
        print("SOME FORMULAS DO NOT GIVE WHAT IS SHOWN, marked with !: this is a bug.")
    print()
    show_table(
        ("", "FIELD", "SHOWN", "FORMULA", "IN NUMBERS"),
        [
            (
                "" if line.is_right else "!",
                line.name,
                _short(line.shown),
                _short(line.formula),
                _short(line.numbers) if "(" in line.formula or " " in line.formula else "",
            )
            for line in lines
        ],
        right=(2,),
    )
    print()
    show_table(("TERM", "VALUE", "FROM", "TOOK", "SAYS", ""), _term_rows(answer), right=(1,))
    print()


def _term_rows(answer: Explained) -> list[Sequence[str]]:
    """The terms, those of one file together; what is the same as in the line above is left out."""
    by_path = sorted(origins(answer), key=lambda one: one[2].path)
    rows: list[Sequence[str]] = []
    above = Origin("", "")
    for term, value, origin, took in by_path:
        same = origin.path == above.path
        rows.append(
            (
                term,
                "max" if value is None else str(value),
                "" if same else origin.path,
                "" if same else took,
                "" if same and origin.text == above.text else origin.text,
                "" if same and origin.note == above.note else origin.note,
            )
        )
        above = origin
    return rows


def _above(path: str) -> set[str]:
    """A path and the directories above it: a view may be mounted on any of them."""
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(2, len(parts) + 1)}


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 4]} ..."


def _for_json(answer: Explained, not_bound: Sequence[str]) -> Mapping[str, object]:
    return {
        **vars(answer),
        "fields": [line._asdict() for line in lines_of(answer)],
        "terms": [
            {"name": name, "value": value, **origin._asdict(), "took": took}
            for name, value, origin, took in origins(answer)
        ],
        "reads": [{"path": path, "text": text, "usec": usec} for path, text, usec in answer.reads],
        "not_bound": list(not_bound),
    }
