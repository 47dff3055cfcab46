"""A shell that is a container's first process, told what to do through the engine's stdin."""

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_END = "===end==="
_SECONDS = 60


class Shell:
    """`sh` in a container."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def run(self, command: str) -> str:
        """What a command says, stderr included; the container is ended if it takes too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command} 2>&1; echo {_END}\n")
        self._process.stdin.flush()
        patience = threading.Timer(_SECONDS, self._process.kill)
        patience.start()
        text = ""
        try:
            for line in self._process.stdout:
                text += line
                if text.endswith(f"{_END}\n"):
                    return text.removesuffix(f"{_END}\n")
        finally:
            patience.cancel()
        raise AssertionError(f"{command}: the container ended: {text}{self.errors()}")

    def errors(self) -> str:
        """What the engine said on stderr."""
        return self._errors.read_text()

    def mounts(self) -> dict[str, set[str]]:
        """Options by mount point, of the daemon's files in the container."""
        mounts: dict[str, set[str]] = {}
        for line in self.run("cat /proc/self/mountinfo").splitlines():
            fields, _, source = line.partition(" - ")
            if source.startswith("fuse"):
                words = fields.split()
                assert words[4] not in mounts, f"{words[4]} is bound twice"
                mounts[words[4]] = set(words[5].split(","))
        return mounts

    def memory_total(self) -> int:
        """In kB."""
        return int(self.run("cat /proc/meminfo").split()[1])


@contextmanager
def shell(
    command: Sequence[str], errors: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Shell]:
    """Run an engine's command line, whose container runs `sh`; it has ended afterwards.

    Raises:
      AssertionError: the container did not start; shows what the engine said.
    """
    with errors.open("w") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env=environment,
        )
    try:
        found = Shell(process, errors)
        found.run("true")
        yield found
    finally:
        try:
            process.communicate(timeout=30)  # closes its stdin, which ends the shell
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
