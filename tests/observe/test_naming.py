"""Names by the paths of cgroups, as runtimes make them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxcfs_py.observe.naming import Name, name_of

_ID = "3fa85f64" * 8
_SHORT = "3fa85f643fa8"
_POD = "0d3f1c2a-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/lxc.payload.web-1", Name("web-1", "lxc")),
        ("/lxc.payload/web", Name("web", "lxc")),
        ("/lxc/web", Name("web", "lxc")),
        ("/user.slice/user-0.slice/lxc.payload.web/system.slice", Name("web", "lxc")),
        ("/lxc.payload.outer/lxc.payload.inner", Name("outer/inner", "lxc")),
        ("/lxc.payload.outer/.lxc/lxc.payload.inner", Name("outer/inner", "lxc")),
        (f"/docker/{_ID}", Name(_SHORT, "docker", _ID)),
        (f"/system.slice/docker-{_ID}.scope", Name(_SHORT, "docker", _ID)),
        (f"/machine.slice/libpod-{_ID}.scope", Name(_SHORT, "podman", _ID)),
        (f"/machine.slice/libpod-{_ID}.scope/container", Name(_SHORT, "podman", _ID)),
        (f"/libpod_parent/libpod-{_ID}", Name(_SHORT, "podman", _ID)),
        (f"/system.slice/nerdctl-{_ID}.scope", Name(_SHORT, "nerdctl", _ID)),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
            f"{_POD.replace('-', '_')}.slice/cri-containerd-{_ID}.scope",
            Name(_SHORT, "containerd", _ID, _POD),
        ),
        (
            f"/kubepods.slice/kubepods-pod{_POD.replace('-', '_')}.slice/crio-{_ID}.scope",
            Name(_SHORT, "cri-o", _ID, _POD),
        ),
        (f"/kubepods/besteffort/pod{_POD}/{_ID}", Name(_SHORT, "kubernetes", _ID, _POD)),
        ("/machine.slice/systemd-nspawn@deb.service", Name("deb", "nspawn")),
        (r"/machine.slice/machine-lxc\x2d7\x2dweb.scope", Name("lxc-7-web", "machine")),
        (
            f"/lxc.payload.host/docker/{_ID}",
            Name(f"host/{_SHORT}", "docker", _ID),
        ),
        ("/system.slice/cron.service", Name("cron.service")),
        ("/", Name("-")),
        ("", Name("-")),
    ],
)
def test_names(path: str, expected: Name) -> None:
    assert name_of([path]) == expected


@pytest.mark.parametrize(
    "path",
    [
        f"/docker/{_ID[:-1]}",
        f"/docker/{_ID}0",
        f"/docker-{_ID.upper()}.scope",
        "/lxc.monitor.web",
        "/lxc.payload.",
        "/system.slice/docker.service",
        f"/libpod-conmon-{_ID}.scope",
    ],
)
def test_what_only_looks_like_a_container(path: str) -> None:
    assert name_of([path]).runtime == ""


def test_the_hierarchy_in_which_the_runtime_put_it_counts() -> None:
    paths = ["/", "/system.slice/a-very-long-name-of-a-service.service/and/more", "/docker/" + _ID]

    assert name_of(paths).runtime == "docker"


def test_a_container_inside_cannot_take_the_name_of_one_outside() -> None:
    assert name_of(["/lxc.payload.mine/lxc.payload.yours"]) != name_of(["/lxc.payload.yours"])


@given(st.text())
def test_a_name_is_one_word_of_harmless_characters(path: str) -> None:
    """Terminals obey what some characters say."""
    name = name_of([path]).name

    assert name
    assert name.isprintable()
    assert not set(name) & set(" \t\n\x1b\\'\"$`")
