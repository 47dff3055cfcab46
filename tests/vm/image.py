"""The disks of the machines: a Debian each, made of packages alone, and the containers' Debians."""

import lzma
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lxc.rootfs import DEBIAN, mmdebstrap
from tests.support.cache import cached

_GUEST = Path(__file__).parent / "guest"

_IN_IMAGE = ("init", "runner", "runner.service", "setup")
# What lxcfs-py's package depends on, what its users have beside it (LXC), and what tests look with.
_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "kmod", "procps", "iproute2", "psmisc"),
    *("mount", "util-linux", "python3", "fuse3", "libfuse3-3", "lxc", "uidmap", "busybox"),
    *("ca-certificates", "strace"),
)
# Of other names in a release.
_INSTEAD = {"trixie": {"libfuse3-3": "libfuse3-4"}}
# Clouds' kernels are small. The others have zswap.
_KERNELS = {"bookworm": "linux-image-cloud-amd64", "trixie": "linux-image-amd64"}
# What the disk and the ports need, unless the kernel has it built in.
_EARLY_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "ext4")
_DISK_BYTES = 4 << 30


@dataclass(frozen=True)
class Image:
    """What qemu starts: kernel, initramfs, and the disk, which is never written to."""

    directory: Path

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        return self.directory / "initramfs"

    @property
    def disk(self) -> Path:
        return self.directory / "disk.ext4"


def machine_image(release: str) -> Image:
    """A Debian with its own kernel and systemd, which runs what comes on the second disk.

    Takes a minute to build (0.6 GB) when it is not in the cache.

    Raises:
      RuntimeError: mmdebstrap could not build it; shows the end of its log.
    """
    instead = _INSTEAD.get(release, {})
    packages = ",".join(instead.get(name, name) for name in _PACKAGES)
    kernel = _KERNELS[release]
    setup = f'--customize-hook={_GUEST}/setup "$1" {kernel}'
    command = (*DEBIAN, f"--include={packages}", setup, release)

    def build(directory: Path) -> None:
        directory.mkdir()
        tree = directory / "tree"
        mmdebstrap(command, tree)
        version = (tree / "boot/version").read_text().strip()
        (tree / f"boot/vmlinuz-{version}").rename(directory / "vmlinuz")
        _make_initramfs(tree, version, directory / "initramfs")
        _make_disk(tree, directory / "disk.ext4", _DISK_BYTES)
        shutil.rmtree(tree)

    sources = [
        path.read_text() for path in (*(_GUEST / name for name in _IN_IMAGE), Path(__file__))
    ]
    return Image(cached("machine", (release, kernel, packages, *DEBIAN, *sources), build))


def containers_disk(rootfs: Path) -> Path:
    """A disk with one of the containers' root file systems, which says by its label which one."""

    def build(directory: Path) -> None:
        directory.mkdir()
        size = int(subprocess.check_output(["du", "-sk", str(rootfs)]).split()[0]) << 10
        _make_disk(rootfs, directory / "disk.ext4", size + size // 4 + (64 << 20), rootfs.name)

    return cached("disk", (rootfs.name, Path(__file__).read_text()), build) / "disk.ext4"


def _make_initramfs(tree: Path, version: str, target: Path) -> None:
    """Pack busybox, the early modules in the order in which they load, and our init."""
    content = target.with_suffix(".content")
    for name in ("bin", "dev", "modules", "root"):
        (content / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None, "needs busybox (package busybox-static)"
    shutil.copy(busybox, content / "bin/busybox")
    shutil.copy(_GUEST / "init", content / "init")
    for number, path in enumerate(_modules(tree, version)):
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        (content / f"modules/{number:02}.ko").write_bytes(data)
    names = "\n".join(str(path.relative_to(content)) for path in sorted(content.rglob("*")))
    with target.open("wb") as file:
        command = ["cpio", "--quiet", "-o", "-H", "newc"]
        subprocess.run(command, cwd=content, input=names.encode(), stdout=file, check=True)
    shutil.rmtree(content)


def _modules(tree: Path, version: str) -> list[Path]:
    """The files of the early modules and of what these depend on, in order, each once."""
    found: dict[Path, None] = {}
    for module in _EARLY_MODULES:
        show = ["chroot", str(tree), "modprobe", "-S", version, "--show-depends", module]
        for line in subprocess.check_output(show, text=True).splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod":
                found[tree / path.split()[0].lstrip("/")] = None
    return list(found)


def _make_disk(tree: Path, target: Path, size: int, label: str = "root") -> None:
    with target.open("wb") as file:
        file.truncate(size)
    # A label has 16 bytes.
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", label[-16:]]
    subprocess.run(["mke2fs", *options, "-d", tree, target], check=True)
