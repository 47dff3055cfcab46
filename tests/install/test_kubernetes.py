"""`install kubernetes`: the manifests, and what the policy makes of pods."""

import copy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from lxcfs_py.cli import main
from tests.install.admission import VERSION, Json, admit

_GOLDEN = Path(__file__).parent / "printed" / "kubernetes.yaml"
_FILES = [
    *("/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/slabinfo"),
    *("/proc/stat", "/proc/swaps", "/proc/uptime", "/sys/devices/system/cpu"),
]


def _printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["install", "kubernetes", *words]) == 0
    return capsys.readouterr().out


@pytest.fixture
def manifests(capsys: pytest.CaptureFixture[str]) -> dict[str, Json]:
    """By their kinds."""
    return {found["kind"]: found for found in yaml.safe_load_all(_printed(capsys))}


@pytest.fixture
def policy(manifests: dict[str, Json]) -> Json:
    return manifests["MutatingAdmissionPolicy"]


def _pod(*containers: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": list(containers) or [{"name": "web", "image": "web"}], **spec},
    }


def _check_valid(pod: Json) -> None:
    kubernetes_validate.validate(pod, VERSION, strict=True)


def _targets(container: Json) -> list[str]:
    return [mount["mountPath"] for mount in container["volumeMounts"]]


def test_the_text_is_what_a_review_has_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """To accept a change: print it into this file, then look at git diff."""
    assert _printed(capsys) == _GOLDEN.read_text()


@pytest.mark.parametrize("version", [VERSION, "1.37"])
def test_the_manifests_are_valid(manifests: dict[str, Json], version: str) -> None:
    assert set(manifests) == {
        *("Namespace", "DaemonSet"),
        *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"),
    }
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_before_it_was_stable_the_policy_is_the_same(manifests: dict[str, Json]) -> None:
    for kind in ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"):
        beta = manifests[kind] | {"apiVersion": "admissionregistration.k8s.io/v1beta1"}
        kubernetes_validate.validate(beta, "1.34", strict=True)


def test_only_the_directory_above_the_mount_is_shared_with_the_node(
    manifests: dict[str, Json],
) -> None:
    pod = manifests["DaemonSet"]["spec"]["template"]["spec"]
    mounts = pod["containers"][0]["volumeMounts"]
    shared = [mount["mountPath"] for mount in mounts if "mountPropagation" in mount]

    assert shared == ["/run/lxcfs-py"]
    assert pod["containers"][0]["command"][-1].endswith(
        " --runtime-dir /run/lxcfs-py /run/lxcfs-py/view"
    )


def test_the_options_are_filled_in(capsys: pytest.CaptureFixture[str]) -> None:
    image = "registry.example:5000/a/lxcfs-py:1.0"
    words = ("--image", image, "--namespace", "views", "--mountpoint", "/data/lxcfs/mnt")
    namespace, daemons, policy, _ = yaml.safe_load_all(_printed(capsys, *words))

    assert namespace["metadata"]["name"] == daemons["metadata"]["namespace"] == "views"
    pod = daemons["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == image
    assert pod["containers"][0]["volumeMounts"][0]["mountPath"] == "/data/lxcfs"
    assert pod["volumes"][0]["hostPath"]["path"] == "/data/lxcfs"
    (first, *_) = admit(policy, _pod())["spec"]["volumes"]
    assert first["hostPath"]["path"] == "/data/lxcfs/mnt/proc/cpuinfo"


@pytest.mark.parametrize("words", [("--image", "a: b"), ("--namespace", "A"), ("--image", "")])
def test_what_no_manifest_can_hold_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["install", "kubernetes", *words])

    assert stopped.value.code == 2


@pytest.mark.parametrize("words", [("--mountpoint", "/views"), ("podman",), ("--opt-in",)])
def test_what_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["install", "kubernetes", *words]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1


def test_a_pod_without_volumes(policy: Json) -> None:
    pod = admit(policy, _pod())

    _check_valid(pod)
    (container,) = pod["spec"]["containers"]
    assert _targets(container) == _FILES
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    sources = {volume["name"]: volume["hostPath"] for volume in pod["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        source = sources[mount["name"]]
        assert source["path"] == f"/run/lxcfs-py/view{mount['mountPath']}"
        assert source["type"] == ("File" if source["path"].count("/proc/") else "Directory")


def test_what_a_pod_has_stays(policy: Json) -> None:
    data = {"name": "data", "emptyDir": {}}
    mount = {"name": "data", "mountPath": "/data"}
    before = _pod({"name": "web", "image": "web", "volumeMounts": [mount]}, volumes=[data])
    pod = admit(policy, before)

    _check_valid(pod)
    assert pod["spec"]["volumes"][0] == data
    assert pod["spec"]["containers"][0]["volumeMounts"][0] == mount
    assert pod["spec"]["containers"][0]["image"] == "web"
    assert _targets(pod["spec"]["containers"][0])[1:] == _FILES


def test_init_containers_and_several(policy: Json) -> None:
    init = [{"name": "one", "image": "one"}, {"name": "sidecar", "restartPolicy": "Always"}]
    before = _pod({"name": "a"}, {"name": "b"}, initContainers=init)
    pod = admit(policy, before)

    _check_valid(pod)
    for kind in ("containers", "initContainers"):
        assert [found["name"] for found in pod["spec"][kind]] == [
            found["name"] for found in before["spec"][kind]
        ]
        assert all(_targets(found) == _FILES for found in pod["spec"][kind])


def test_a_second_time_changes_nothing(policy: Json) -> None:
    pod = admit(policy, _pod({"name": "a"}, initContainers=[{"name": "b"}]))

    assert admit(policy, copy.deepcopy(pod)) == pod


def test_a_container_that_comes_later_has_them_too(policy: Json) -> None:
    pod = admit(policy, _pod())
    pod["spec"]["containers"].append({"name": "added", "image": "x"})

    assert _targets(admit(policy, pod)["spec"]["containers"][1]) == _FILES


@pytest.mark.parametrize(
    ("mine", "left"),
    [
        ("/proc/meminfo", [path for path in _FILES if path != "/proc/meminfo"]),
        ("/proc", ["/sys/devices/system/cpu"]),
        ("/sys/devices", _FILES[:-1]),
        ("/process", _FILES),
    ],
)
def test_a_volume_of_the_pods_own_goes_first(policy: Json, mine: str, left: list[str]) -> None:
    mount = {"name": "mine", "mountPath": mine}
    volume = {"name": "mine", "hostPath": {"path": "/srv/mine"}}
    pod = admit(policy, _pod({"name": "web", "volumeMounts": [mount]}, volumes=[volume]))

    _check_valid(pod)
    assert _targets(pod["spec"]["containers"][0]) == [mine, *left]


@pytest.mark.parametrize(
    "excluded",
    [
        {"metadata": {"name": "web", "annotations": {"lxcfs-py/view": "false"}}},
        {"spec": {"containers": [{"name": "web"}], "hostUsers": False}},
        {"spec": {"containers": [{"name": "web"}], "os": {"name": "windows"}}},
    ],
)
def test_pods_that_are_left_alone(policy: Json, excluded: Json) -> None:
    pod = _pod() | excluded

    assert admit(policy, copy.deepcopy(pod)) == pod


@pytest.mark.parametrize(
    "included",
    [
        {"metadata": {"name": "web", "annotations": {"other": "false"}}},
        {"metadata": {"name": "web", "annotations": {"lxcfs-py/view": "true"}}},
        {"spec": {"containers": [{"name": "web"}], "hostUsers": True, "os": {"name": "linux"}}},
    ],
)
def test_pods_that_are_not(policy: Json, included: Json) -> None:
    assert _targets(admit(policy, _pod() | included)["spec"]["containers"][0]) == _FILES


def test_a_wrong_field_would_be_noticed(policy: Json) -> None:
    """The type check is one."""
    configuration = policy["spec"]["mutations"][0]["applyConfiguration"]
    configuration["expression"] = configuration["expression"].replace("readOnly", "readonly")

    with pytest.raises(Exception, match="undefined field 'readonly'"):
        admit(policy, _pod())
