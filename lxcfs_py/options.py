"""The daemon's options: one frozen value, parsed from lxcfs' command line and our own additions.

Every option of lxcfs 5, 6 and 7 is accepted. Some say what is the case here anyway (`-l`,
`--enable-cfs`, `--enable-pidfd`, `--enable-cgroup`, `-f`, `-s`) and change nothing.
"""

import argparse
import json
from dataclasses import asdict, dataclass, fields
from typing import Literal, Self

CpuView = Literal["quota", "cpuset"]
CpuNumbering = Literal["host", "compact"]
LogFormat = Literal["text", "json"]

DEFAULT_MOUNTPOINT = "/var/lib/lxcfs"
DEFAULT_RUNTIME_DIR = "/run"
LOG_LEVELS = ("debug", "info", "warning", "error")

# lxcfs sets these itself and drops them from -o; so do we.
_OUR_OWN_FUSE_OPTIONS = ("allow_other", "direct_io", "entry_timeout", "attr_timeout", "nonempty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to serve."""

    mountpoint: str = DEFAULT_MOUNTPOINT
    pidfile: str = f"{DEFAULT_RUNTIME_DIR}/lxcfs.pid"
    runtime_dir: str = DEFAULT_RUNTIME_DIR
    debug_fuse: bool = False
    fuse_options: tuple[str, ...] = ()
    disable_swap: bool = False
    disable_zswap: bool = False
    enable_psi_poll: bool = False
    cpu_view: CpuView = "quota"
    cpu_numbering: CpuNumbering = "host"
    strict: bool = False
    reattach: bool = False
    keep_connection: bool = False
    log_level: str = "info"
    log_format: LogFormat = "text"

    def to_json(self) -> str:
        """For a worker's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`, also for what another version has written."""
        values = json.loads(text)
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return cls(**known | {"fuse_options": tuple(values["fuse_options"])})


class _Once(argparse.Action):
    """An option that lxcfs takes once only."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} can be given only once")
        setattr(namespace, self.dest, values)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lxcfs-py mount`."""
    parser.add_argument(
        "mountpoint", nargs="?", default=DEFAULT_MOUNTPOINT, help="default: %(default)s"
    )
    add_places(parser)
    parser.add_argument("-o", metavar="OPTIONS", action=_Once, help="more FUSE options")
    parser.add_argument("-d", "--debug", action="store_true", help="log every FUSE request")
    parser.add_argument("-u", "--disable-swap", action="store_true", help="show no swap")
    parser.add_argument("-z", "--disable-zswap", action="store_true", help="show no zswap")
    parser.add_argument(
        "--enable-psi-poll", action="store_true", help="triggers on the pressure files"
    )
    parser.add_argument(
        "--cpu-view",
        choices=("quota", "cpuset"),
        default="quota",
        help="which limits decide the number of CPUs (default: quota and cpuset)",
    )
    parser.add_argument(
        "--cpu-numbering",
        choices=("host", "compact"),
        default="host",
        help="the CPUs' own numbers, or 0..n-1 (default: host)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="EIO, not the host's text, if a cgroup is unreadable"
    )
    parser.add_argument(
        "--reattach",
        action="store_true",
        help="bring back containers whose mounts an earlier daemon has left dead",
    )
    parser.add_argument(
        "--keep-connection",
        action="store_true",
        help="have systemd keep the connection for the next start (FileDescriptorStoreMax=2)",
    )
    parser.add_argument("--log-level", choices=LOG_LEVELS, default="info")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    _add_accepted(parser)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where a daemon's own files are."""
    parser.add_argument("-p", "--pidfile", metavar="FILE", help="default: RUNTIME_DIR/lxcfs.pid")
    parser.add_argument("--runtime-dir", metavar="DIR", default=DEFAULT_RUNTIME_DIR)


def pidfile_of(arguments: argparse.Namespace) -> str:
    """The pidfile that was asked for."""
    return arguments.pidfile or f"{arguments.runtime_dir}/lxcfs.pid"


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


def from_arguments(arguments: argparse.Namespace) -> Options:
    """The options that a parsed command line asks for."""
    fuse_options = tuple(
        option
        for option in (arguments.o or "").split(",")
        if option and option.split("=")[0] not in _OUR_OWN_FUSE_OPTIONS
    )
    return Options(
        mountpoint=arguments.mountpoint,
        pidfile=pidfile_of(arguments),
        runtime_dir=arguments.runtime_dir,
        debug_fuse=arguments.debug,
        fuse_options=fuse_options,
        disable_swap=arguments.disable_swap,
        disable_zswap=arguments.disable_zswap,
        enable_psi_poll=arguments.enable_psi_poll,
        cpu_view=arguments.cpu_view,
        cpu_numbering=arguments.cpu_numbering,
        strict=arguments.strict,
        reattach=arguments.reattach,
        keep_connection=arguments.keep_connection,
        log_level="debug" if arguments.debug else arguments.log_level,
        log_format=arguments.log_format,
    )
