"""The daemon's options: one table, of which the command line and the configuration are made.

Each field of `Options` is `--name` on the command line and `name` in the configuration file
(config.py), with dashes. Every option of lxcfs 5, 6 and 7 is accepted. Some say what is the case
here anyway and change nothing: `-l`, `--enable-cfs`, `--enable-pidfd`, `--enable-cgroup`, `-f` and
`-s`.
"""

import argparse
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple, Self

from lxcfs_py.observe.place import parse_place

CpuView = Literal["quota", "cpuset"]
CpuNumbering = Literal["host", "compact"]
LogFormat = Literal["text", "json"]

DEFAULT_MOUNTPOINT = "/var/lib/lxcfs"
DEFAULT_RUNTIME_DIR = "/run"
DEFAULT_CONFIG = "/etc/lxcfs-py.conf"

FILES = (
    *("/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/pressure"),
    *("/proc/slabinfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/sys/devices/system/cpu"),
)
"""What containers are shown, as hooks bind it."""

# lxcfs sets these itself and drops them from -o; so do we.
_OUR_OWN_FUSE_OPTIONS = ("allow_other", "direct_io", "entry_timeout", "attr_timeout", "nonempty")


class Choices(NamedTuple):
    """What an option may say: a word of these; or words, of these or that pass the check."""

    words: Collection[str] = ()
    several: bool = False
    check: Callable[[str], str] | None = None
    """Says what is wrong with a word."""


class Spec(NamedTuple):
    """How an option is given."""

    help: str
    flag: str | None
    """One more name, of one letter."""
    metavar: str | None
    choices: Choices


def _spec(
    help: str,
    flag: str | None = None,
    metavar: str | None = None,
    *,
    words: Collection[str] = (),
    several: bool = False,
    check: Callable[[str], str] | None = None,
) -> Mapping[str, Spec]:
    return {"spec": Spec(help, flag, metavar, Choices(words, several, check))}


def _is_path(word: str) -> str:
    return "" if word.startswith("/") else "an absolute path is allowed"


def _is_glob(word: str) -> str:
    fits = word.startswith("/") and "\n" not in word
    return "" if fits else "a path that begins with / is allowed"


def _is_metrics_place(word: str) -> str:
    try:
        parse_place(word)
    except ValueError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to serve."""

    mountpoint: str = field(
        default=DEFAULT_MOUNTPOINT, metadata=_spec("where to serve", check=_is_path)
    )
    pidfile: str = field(
        default="", metadata=_spec("default: RUNTIME_DIR/lxcfs.pid", "-p", "FILE", check=_is_path)
    )
    runtime_dir: str = field(
        default=DEFAULT_RUNTIME_DIR,
        metadata=_spec("for what outlives the daemon", metavar="DIR", check=_is_path),
    )
    fuse_options: tuple[str, ...] = field(
        default=(), metadata=_spec("more options for the mount", "-o", "OPTIONS", several=True)
    )
    disable_swap: bool = field(default=False, metadata=_spec("show no swap", "-u"))
    disable_zswap: bool = field(default=False, metadata=_spec("show no zswap", "-z"))
    enable_psi_poll: bool = field(default=False, metadata=_spec("triggers on the pressure files"))
    cpu_view: CpuView = field(
        default="quota",
        metadata=_spec(
            "whether quotas bound the number of CPUs, or only cpusets", words=("quota", "cpuset")
        ),
    )
    cpu_numbering: CpuNumbering = field(
        default="host",
        metadata=_spec("the CPUs' own numbers, or 0..n-1", words=("host", "compact")),
    )
    disable_files: tuple[str, ...] = field(
        default=(),
        metadata=_spec("files not to serve", metavar="FILES", words=FILES, several=True),
    )
    exempt_cgroups: tuple[str, ...] = field(
        default=(),
        metadata=_spec(
            "containers there see the host's text", metavar="GLOBS", check=_is_glob, several=True
        ),
    )
    strict: bool = field(
        default=False, metadata=_spec("EIO, not the host's text, if a cgroup is unreadable")
    )
    reattach: bool = field(
        default=False,
        metadata=_spec("bring back containers whose mounts an earlier daemon has left dead"),
    )
    keep_connection: bool = field(
        default=False,
        metadata=_spec(
            "have systemd keep the connection for the next start (FileDescriptorStoreMax=2)"
        ),
    )
    metrics: str = field(
        default="",
        metadata=_spec(
            "serve Prometheus metrics: unix:PATH, PORT or ADDRESS:PORT of this machine alone",
            metavar="PLACE",
            check=_is_metrics_place,
        ),
    )
    debug: bool = field(default=False, metadata=_spec("log every FUSE request", "-d"))
    log_level: str = field(
        default="info",
        metadata=_spec("the least that is logged", words=("debug", "info", "warning", "error")),
    )
    log_format: LogFormat = field(
        default="text", metadata=_spec("for people or for machines", words=("text", "json"))
    )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The options, where some are given, by field."""
        made = dict(given)
        if not made.get("pidfile"):
            made["pidfile"] = f"{made.get('runtime_dir', DEFAULT_RUNTIME_DIR)}/lxcfs.pid"
        if made.get("debug"):
            made["log_level"] = "debug"
        made["fuse_options"] = tuple(
            option
            for option in made.get("fuse_options", ())
            if option.split("=")[0] not in _OUR_OWN_FUSE_OPTIONS
        )
        return cls(**made)

    def to_json(self) -> str:
        """For a worker's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`, also for what another version has written."""
        values = json.loads(text)
        known: dict[str, Any] = {
            name: tuple(values[name]) if spec.choices.several else values[name]
            for name, spec in SPECS.items()
            if name in values
        }
        return cls(**known)


SPECS: Mapping[str, Spec] = {field.name: field.metadata["spec"] for field in fields(Options)}
"""By field."""
DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Options)}
PLACES = ("pidfile", "runtime_dir")
"""Where a daemon's own files are."""


class _Once(argparse.Action):
    """An option that lxcfs takes once only."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if hasattr(namespace, self.dest):
            parser.error(f"{option_string} can be given only once")
        setattr(namespace, self.dest, values)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lxcfs-py mount`. What is not given is not in the namespace either."""
    parser.add_argument(
        "mountpoint",
        nargs="?",
        default=argparse.SUPPRESS,
        help=f"{SPECS['mountpoint'].help} (default: {DEFAULT_MOUNTPOINT})",
    )
    for name in SPECS:
        if name != "mountpoint":
            _add_option(parser, name)
    add_config(parser)
    _add_accepted(parser)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where a daemon's own files are."""
    for name in PLACES:
        _add_option(parser, name)
    add_config(parser)


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`."""
    parser.add_argument(
        "--config", metavar="FILE", help=f"more options (default: {DEFAULT_CONFIG}, if it is there)"
    )


def _add_option(parser: argparse.ArgumentParser, name: str) -> None:
    spec, default = SPECS[name], DEFAULTS[name]
    names = [*filter(None, [spec.flag]), "--" + name.replace("_", "-")]
    help = spec.help if default in (False, (), "") else f"{spec.help} (default: {default})"
    if default is False:
        parser.add_argument(
            *names, dest=name, action="store_true", default=argparse.SUPPRESS, help=help
        )
        return
    parser.add_argument(
        *names,
        dest=name,
        metavar=spec.metavar,
        default=argparse.SUPPRESS,
        help=help.replace("%", "%%"),
        action=_Once if spec.choices.several else "store",
        type=_words_of(spec.choices) if spec.choices.several else str,
        choices=None if spec.choices.several else spec.choices.words or None,
    )


def _words_of(choices: Choices) -> Callable[[str], tuple[str, ...]]:
    def split(text: str) -> tuple[str, ...]:
        words = tuple(filter(None, text.split(",")))
        for word in words:
            why = fault(choices, word)
            if why:
                raise argparse.ArgumentTypeError(f"{word}: {why}")
        return words

    return split


def fault(choices: Choices, word: str) -> str:
    """What is wrong with a word; nothing if it is as it should be."""
    if choices.words and word not in choices.words:
        return f"{in_words(choices.words)} is allowed"
    return choices.check(word) if choices.check else ""


def in_words(words: Collection[str]) -> str:
    """A, B or C."""
    *first, last = words
    return f"{', '.join(first)} or {last}"


def _add_accepted(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("accepted as lxcfs has them, always so here")
    for names in (
        ("-f", "--foreground"),
        ("-s",),
        ("-l", "--enable-loadavg"),
        ("--enable-cfs",),
        ("--enable-pidfd",),
        ("--enable-cgroup",),
    ):
        group.add_argument(*names, action="store_true", help=argparse.SUPPRESS)
    group.description = (
        "-f, -s, -l, --enable-loadavg, --enable-cfs, --enable-pidfd, --enable-cgroup"
    )


def given(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """The options that a parsed command line gives, by field."""
    return {name: value for name, value in vars(arguments).items() if name in SPECS}
