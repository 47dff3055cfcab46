"""A machine that runs what it is given, tells its results one by one, and is gone afterwards.

Its disks are the image, whose changes are thrown away; a tar file with what it runs; one to swap
on; one for whatever it likes; and the containers' root file systems. qemu emulates the processor: a
program takes 10 to 30 times as long.
"""

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.vm.image import Image

SWAP_BYTES = 512 << 20
DATA_BYTES = 256 << 20

# setpriv: it does not outlive whoever started it, however that one ends.
# cx16: qemu 7.2 spoils the flags around cmpxchg16b, and Linux 6.12 panics of it within seconds.
_QEMU = (
    *("setpriv", "--pdeathsig", "KILL", "nice", "-n", "5"),
    *("qemu-system-x86_64", "-M", "pc,graphics=off", "-accel", "tcg,thread=multi"),
    *("-cpu", "max,-cx16", "-smp", "2", "-m", "2048", "-nodefaults", "-no-user-config"),
    *("-display", "none", "-no-reboot", "-net", "none"),
)
_KERNEL = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on audit=0"


class NoStatusError(Exception):
    """The machine ended without a word on how what it ran has ended; with the end of its console
    and of what it said."""


@dataclass(frozen=True)
class Machine:
    """What a machine is made of."""

    image: Image
    parameters: str = ""
    """Of the kernel."""
    disks: Sequence[Path] = ()
    """More disks, which are not written to."""


def run(machine: Machine, content: Path, seconds: float) -> Iterator[Mapping[str, Any]]:
    """Boot it, with the tar file `content`, and yield what it reports; at last `status` and `log`.

    Raises:
      NoStatusError: it ended without a status.
      TimeoutError: it took longer; shows the same.
    """
    with TemporaryDirectory(prefix=f"lxcfs-py-test-{os.getpid()}-vm-") as name, ExitStack() as end:
        directory = Path(name)
        reading, writing = os.pipe()
        end.callback(os.close, reading)
        command = _command(machine, content, directory, writing)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=end.enter_context((directory / "qemu").open("wb")),
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": name},  # what it keeps of changes
            pass_fds=[writing],
        )
        end.callback(_end, process)
        os.close(writing)
        status = None
        try:
            for line in _lines(reading, time.monotonic() + seconds):
                report = json.loads(line)
                if "status" in report:
                    status = report["status"]
                else:
                    yield report
        except TimeoutError as error:
            raise TimeoutError(f"not within {seconds:g} s\n{_said(directory)}") from error
        if status is None:
            raise NoStatusError(_said(directory))
        yield {"status": status, "log": (directory / "log").read_text(errors="replace")}


def _command(machine: Machine, content: Path, directory: Path, results: int) -> list[str]:
    for name, size in (("swap", SWAP_BYTES), ("data", DATA_BYTES)):
        with (directory / name).open("wb") as file:
            file.truncate(size)
    subprocess.run(["mkswap", "-q", directory / "swap"], check=True)
    image = machine.image
    kept = [(image.disk, "snapshot=on"), (content, "readonly=on")]
    written = [(directory / name, "cache=unsafe") for name in ("swap", "data")]
    more = [(disk, "readonly=on") for disk in machine.disks]
    drives = [f"file={path},format=raw,if=virtio,{how}" for path, how in (*kept, *written, *more)]
    return [
        *_QEMU,
        *("-kernel", str(image.kernel), "-initrd", str(image.initramfs)),
        *("-append", f"{_KERNEL} {machine.parameters}"),
        *(word for drive in drives for word in ("-drive", drive)),
        *("-device", "virtio-serial-pci"),
        *_port(1, f"/proc/self/fd/{results}"),
        *_port(2, f"{directory}/log"),
        *("-serial", f"file:{directory}/console"),
    ]


def _port(number: int, path: str) -> list[str]:
    chardev = f"file,id=port{number},path={path}"
    return ["-chardev", chardev, "-device", f"virtserialport,nr={number},chardev=port{number}"]


def _lines(descriptor: int, deadline: float) -> Iterator[bytes]:
    """Whole lines, until nobody can write any more."""
    rest = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError
        data = os.read(descriptor, 1 << 16)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _said(directory: Path) -> str:
    """The end of everything that was said."""
    parts = []
    for name in ("qemu", "console", "log"):
        text = (directory / name).read_text(errors="replace") if (directory / name).exists() else ""
        parts.append(f"--- {name}\n{text[-4000:]}")
    return "\n".join(parts)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # nothing of it is kept
    process.wait()
