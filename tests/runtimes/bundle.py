"""A container that is being made, up to where its runtime runs hooks: mounts, and no program."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOOK = Path(__file__).parents[2] / "mount-hooks/oci/oci_hook.py"

_MOUNTS = """
cd "$1"
mount --bind . .
cd "$1"
[ -L proc ] || mount -t proc proc proc
[ -L sys ] || mount -t sysfs -o ro sysfs sys
echo mounted
read -r _
"""


@dataclass(frozen=True)
class Bundle:
    """Its directory, and the process that is to become its first."""

    directory: Path
    pid: int

    def state(self) -> str:
        """What a runtime says on a hook's stdin."""
        return json.dumps(
            {
                "ociVersion": "1.0.2",
                "id": "test",
                "status": "creating",
                "pid": self.pid,
                "bundle": str(self.directory),
            }
        )

    def mounts(self) -> dict[str, set[str]]:
        """Options by path in the container, of the daemon's files."""
        mounts = {}
        for line in Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines():
            fields, _, source = line.partition(" - ")
            point = Path(fields.split()[4])
            if source.startswith("fuse") and point.is_relative_to(self.directory / "root"):
                path = f"/{point.relative_to(self.directory / 'root')}"
                assert path not in mounts, f"{path} is bound twice"
                mounts[path] = set(fields.split()[5].split(","))
        return mounts


@contextmanager
def bundle(directory: Path, root: str = "root") -> Iterator[Bundle]:
    """A bundle in a directory, the root file system of which is `directory`/root."""
    for name in ("proc", "sys"):
        path = directory / "root" / name
        if not path.is_symlink():
            path.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"root": {"path": root}}))
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    process = subprocess.Popen(
        [*command, "sh", "-ec", _MOUNTS, "sh", str(directory / "root")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "mounted\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield Bundle(directory, int(children))
    finally:
        process.communicate()  # closes its stdin


def run_hook(
    state: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the hook as a runtime does, with this on its stdin."""
    return subprocess.run(
        [str(HOOK), *arguments],
        input=state,
        capture_output=True,
        text=True,
        env=environment or {"PATH": os.environ["PATH"]},
        timeout=30,
    )
