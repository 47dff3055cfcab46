"""containerd, with everything that it keeps in a directory of its own.

Containers by ctr, or as Kubernetes asks for them (CRI).
"""

import hashlib
import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runtimes.image import make_root
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell
from tests.support.waiting import wait_until

MEMORY = 256
"""MiB that a container may have."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_WITHOUT_CRI = """
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
"""
_CRI_TABLE = '[plugins."io.containerd.grpc.v1.cri"]\n'
_WITH_CRI = f"""
version = 2
{_CRI_TABLE}
  sandbox_image = "docker.io/library/lxcfs-py-test:latest"
  restrict_oom_score_adj = true  # root may lack CAP_SYS_RESOURCE
"""
_IMAGE = "docker.io/library/lxcfs-py-test:latest"
_CRI = Path(__file__).with_name("cri.py")


class Containerd:
    """A running daemon."""

    def __init__(self, machine: Machine, cgroup: str) -> None:
        self._machine = machine
        self._cgroup = cgroup
        self._numbers = itertools.count()

    def client(self, *words: str) -> list[str]:
        """The command line that runs ctr."""
        return self._machine.command("ctr", *words)

    def answers(self) -> bool:
        """Whether the daemon does."""
        return subprocess.run(self.client("version"), capture_output=True).returncode == 0

    @contextmanager
    def running(self, *options: str) -> Iterator[Shell]:
        """A container: 256 MiB, CPU 0."""
        number = next(self._numbers)
        name = f"{self._machine.directory.name}-{number}"
        root = make_root(self._machine.directory / f"root-{number}")
        # No option of ctr's limits the CPUs: the cgroup above does.
        words = ("--memory-limit", str(MEMORY << 20), "--cgroup", f"/{self._cgroup}/{number}")
        environment = ("--env", "PATH=/usr/bin:/bin")
        command = self.client(
            *("run", "--rm", *words, *environment, *options, "--rootfs", str(root), name, "/bin/sh")
        )
        with shell(command, self._machine.directory / f"errors-{number}") as found:
            yield found

    def load(self) -> None:
        """Make the image that pods are made of."""
        archive = _image_archive(self._machine.directory)
        words = ("-n", "k8s.io", "images", "import", str(archive))
        subprocess.run(self.client(*words), capture_output=True, check=True)

    @contextmanager
    def running_pod(self, *annotations: str) -> Iterator[Shell]:
        """A pod with one container: 256 MiB, CPU 0."""
        words = ("/run/containerd/containerd.sock", _IMAGE, f"/{self._cgroup}")
        command = self._machine.command(
            *("/usr/bin/python3", "-c", _CRI.read_text(), *words, str(MEMORY << 20), *annotations)
        )
        errors = self._machine.directory / f"errors-{next(self._numbers)}"
        with shell(command, errors) as found:
            yield found


def _image_archive(directory: Path) -> Path:
    """An image that sleeps, as `docker save` would write it."""
    place = directory / "image"
    place.mkdir()
    layer = place / "layer.tar"
    subprocess.run(
        ["tar", "-C", make_root(directory / "image-root"), "-cf", layer, "."], check=True
    )
    config = {
        "architecture": _ARCHITECTURES[os.uname().machine],
        "os": "linux",
        "config": {"Entrypoint": ["sleep", "infinity"], "Env": ["PATH=/usr/bin"]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"],
        },
    }
    (place / "config.json").write_text(json.dumps(config))
    manifest = {"Config": "config.json", "RepoTags": [_IMAGE], "Layers": ["layer.tar"]}
    (place / "manifest.json").write_text(json.dumps([manifest]))
    archive = directory / "image.tar"
    subprocess.run(
        ["tar", "-C", place, "-cf", archive, "manifest.json", "config.json", "layer.tar"],
        check=True,
    )
    return archive


def _with_cri(more: str) -> str:
    return _WITH_CRI + more.replace(_CRI_TABLE, "")  # which can be opened once only


@contextmanager
def running_containerd(
    machine: Machine, cgroup: str, cri: str | None = None
) -> Iterator[Containerd]:
    """Start a daemon; it has ended afterwards.

    `cri` is what its configuration says beside the necessary, for pods; without, it has none.
    """
    config = machine.directory / "containerd.toml"
    config.write_text(_WITHOUT_CRI if cri is None else _with_cri(cri))
    command = machine.command(
        *("containerd", "--config", str(config), "--root", f"{machine.directory}/containerd")
    )
    containerd = Containerd(machine, cgroup)
    log = machine.directory / "containerd.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wait_until(
            lambda: process.poll() is not None or containerd.answers(), "containerd answers", 60
        )
        assert process.poll() is None, log.read_text()[-4000:]
        if cri is not None:
            containerd.load()
        yield containerd
    finally:
        process.terminate()
        process.wait(60)
