"""This machine as an engine sees it on which something was installed.

`install` writes below a directory; in a mount namespace of its own, that lies over /usr and /etc,
and /run is another. So engines find hooks and settings where they look, keep their state where
they are used to, and the machine itself has none of it.
"""

import subprocess
from pathlib import Path

from lxcfs_py.cli import main
from tests.support.cgroups import hierarchies

_MOUNTS = """
layers=$1
for name in usr etc; do
    mount -t overlay -o \\
        "lowerdir=$layers/$name:/$name,upperdir=$layers/$name.upper,workdir=$layers/$name.work" \\
        lxcfs-py-test "/$name"
done
mount --bind "$layers/run" /run
echo mounted
read -r _
"""
_WITHOUT = 'mount -t tmpfs lxcfs-py-test "$0"; exec "$@"'
_PRIVATE = ("unshare", "--mount", "--propagation", "private")


class Machine:
    """`directory` is for what is installed, and for what an engine keeps."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._layers = directory / "layers"
        for name in ("usr", "etc"):
            for suffix in ("", ".upper", ".work"):
                (self._layers / f"{name}{suffix}").mkdir(parents=True)
        (self._layers / "run").mkdir()
        self._keeper: subprocess.Popen[str] | None = None

    def install(self, *words: str) -> None:
        """`lxcfs-py install`; before the first program runs there."""
        assert self._keeper is None
        assert main(["install", *words, "--root", str(self._layers)]) == 0

    def uninstall(self, *words: str) -> None:
        """`lxcfs-py uninstall`; before the first program runs there."""
        assert self._keeper is None
        assert main(["uninstall", *words, "--root", str(self._layers)]) == 0

    def file(self, path: str) -> Path:
        """An installed file, and what others are to find at its path."""
        return self._layers / path.lstrip("/")

    def command(self, *words: str, without_v2: bool = False) -> list[str]:
        """The command line that runs a program there.

        `without_v2` is for crun, which refuses a hybrid machine whose cgroup2 has a controller.
        """
        hidden = _v2_of_a_hybrid() if without_v2 else ""
        prefix = [*_PRIVATE, "sh", "-ec", _WITHOUT, hidden] if hidden else []
        return ["nsenter", f"--mount={self._namespace()}", *prefix, *words]

    def close(self) -> None:
        """Let its namespace go."""
        if self._keeper is not None:
            self._keeper.communicate()  # closes its stdin

    def _namespace(self) -> str:
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [*_PRIVATE, "sh", "-ec", _MOUNTS, "sh", str(self._layers)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._keeper.stdout is not None
            assert self._keeper.stdout.readline() == "mounted\n"
        return f"/proc/{self._keeper.pid}/ns/mnt"


def _v2_of_a_hybrid() -> str:
    all_of_them = hierarchies()
    v2 = [hierarchy for hierarchy in all_of_them if hierarchy.is_v2]
    return str(v2[0].mountpoint) if v2 and len(v2) < len(all_of_them) else ""
