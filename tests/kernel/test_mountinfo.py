"""/proc/PID/mountinfo."""

from lxcfs_py.kernel.mountinfo import Mount, parse_mountinfo


def _parse(line: bytes) -> Mount:
    (mount,) = parse_mountinfo(line)
    return mount


def test_a_v1_hierarchy() -> None:
    line = b"33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"

    assert _parse(line) == Mount(
        id=33,
        device="0:30",
        root="/",
        mountpoint="/sys/fs/cgroup/cpu,cpuacct",
        options=frozenset({"rw", "relatime"}),
        fstype="cgroup",
        source="cgroup",
        super_options=frozenset({"rw", "cpu", "cpuacct"}),
    )


def test_optional_fields_may_be_many_or_none() -> None:
    none = _parse(b"1 2 0:3 / /mnt rw - tmpfs tmpfs rw\n")
    many = _parse(b"1 2 0:3 / /mnt rw shared:1 master:2 propagate_from:3 - tmpfs tmpfs rw\n")

    assert none == many


def test_octal_escapes() -> None:
    line = rb"1 2 0:3 /a\040b /mnt/c\011d\012e\134f rw - fuse.x so\040urce rw"

    mount = _parse(line)

    assert mount.root == "/a b"
    assert mount.mountpoint == "/mnt/c\td\ne\\f"
    assert mount.source == "so urce"


def test_a_digit_after_an_escape_is_a_digit() -> None:
    assert _parse(rb"1 2 0:3 / /a\0401 rw - tmpfs x rw").mountpoint == "/a 1"


def test_no_source_and_no_options() -> None:
    # mount(2) with an empty string for the source leaves nothing between two blanks.
    mount = _parse(b"1 2 0:3 / /mnt rw - tmpfs  rw\n")

    assert mount.source == ""
    assert mount.super_options == {"rw"}


def test_names_that_are_not_utf_8_can_be_opened() -> None:
    assert (
        _parse(b"1 2 0:3 / /\xff rw - tmpfs x rw").mountpoint.encode(errors="surrogateescape")
        == b"/\xff"
    )


def test_the_order_is_kept() -> None:
    text = b"1 2 0:3 / /a rw - tmpfs x rw\n4 2 0:5 / /b rw - tmpfs x rw\n"

    assert [mount.mountpoint for mount in parse_mountinfo(text)] == ["/a", "/b"]
