"""This machine as an engine sees it on which something was installed.

`install` writes below a directory; in a mount namespace of its own, that lies over /usr and /etc,
and /run is another. So engines find hooks and settings where they look, keep their state where
they are used to, and the machine itself has none of it.
"""

import os
import subprocess
from pathlib import Path

from lxcfs_py.cli import main
from tests.support.cgroups import hierarchies

_LIKE_THIS_ONE = """
for name in usr etc; do
    mount -t overlay -o \
        "lowerdir=$layers/$name:/$name,upperdir=$own/$name.upper,workdir=$own/$name.work" \
        lxcfs-py-test "/$name"
done
mount --bind "$own/run" /run
"""
_OF_ANOTHER_DEBIAN = """
mount -t overlay -o "lowerdir=$layers:$debian,upperdir=$own/upper,workdir=$own/work" \
    lxcfs-py-test "$own/root"
for name in proc sys dev tmp; do
    mount --rbind "/$name" "$own/root/$name"
done
mount --bind "$own/run" "$own/root/run"
cd "$own/root"
pivot_root . mnt
umount --lazy /mnt
"""
_STAY = """
echo mounted
read -r _
"""
_WITHOUT = 'mount -t tmpfs lxcfs-py-test "$0"; exec "$@"'
_PRIVATE = ("unshare", "--mount", "--propagation", "private")


class Machine:
    """`directory` is for what is installed, and for what an engine keeps.

    Its programs are this machine's, or those of another Debian's root file system.
    """

    def __init__(self, directory: Path, debian: Path | None = None) -> None:
        self.directory = directory
        self._debian = debian
        self._layers = directory / "layers"
        self._own = directory / "own"
        for path in (self._layers / "usr", self._layers / "etc", self._own / "run"):
            path.mkdir(parents=True)
        for name in ("usr.upper", "usr.work", "etc.upper", "etc.work", "upper", "work", "root"):
            (self._own / name).mkdir()
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
                [*_PRIVATE, "sh", "-ec", self._script()],
                env={
                    "PATH": os.environ["PATH"],
                    "layers": str(self._layers),
                    "own": str(self._own),
                    "debian": str(self._debian),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._keeper.stdout is not None
            assert self._keeper.stdout.readline() == "mounted\n"
        return f"/proc/{self._keeper.pid}/ns/mnt"

    def _script(self) -> str:
        return (_OF_ANOTHER_DEBIAN if self._debian else _LIKE_THIS_ONE) + _STAY


def _v2_of_a_hybrid() -> str:
    all_of_them = hierarchies()
    v2 = [hierarchy for hierarchy in all_of_them if hierarchy.is_v2]
    return str(v2[0].mountpoint) if v2 and len(v2) < len(all_of_them) else ""
