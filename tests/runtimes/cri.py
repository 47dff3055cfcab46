"""Asks containerd for a container as Kubernetes does: CRI, by gRPC, messages by field number.

    cri.py SOCKET IMAGE CGROUP MEMORY ANNOTATION=VALUE...    then a command a line on stdin

Runs with Debian's python3-grpcio. A pod in the host's network, so that none has to be set up, with
one container, whose output each command's is.
(k8s.io/cri-api, pkg/apis/runtime/v1/api.proto)
"""

import sys

import grpc  # type: ignore[import-untyped]  # of the Debian that this runs in

_CONTAINER, _NODE = 1, 2  # enum NamespaceMode


def field(number: int, value: int | str | bytes) -> bytes:
    """A protobuf field: a varint, or something with a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """A protobuf number."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def fields(message: bytes) -> dict[int, bytes | int]:
    """The fields of a message, the last of each number."""
    found: dict[int, bytes | int] = {}
    while message:
        key, message = _take_varint(message)
        value, message = _take_varint(message)
        if key & 7 == 2:
            found[key >> 3], message = message[:value], message[value:]
        else:
            found[key >> 3] = value
    return found


def _take_varint(message: bytes) -> tuple[int, bytes]:
    end = next(index for index, byte in enumerate(message) if byte < 0x80)
    value = sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(message[: end + 1]))
    return value, message[end + 1 :]


def main() -> None:
    """Make a container, run commands in it, and remove it."""
    socket, image, cgroup, memory, *annotations = sys.argv[1:]
    channel = grpc.insecure_channel(f"unix://{socket}")

    def ask(method: str, request: bytes) -> dict[int, bytes | int]:
        return fields(channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(request))

    namespaces = field(1, _NODE) + field(2, _CONTAINER)  # network, pid: as the kubelet says it
    linux = field(1, cgroup) + field(2, field(1, namespaces))
    name = field(1, field(1, "pod") + field(2, "uid") + field(3, "default"))
    pod_config = name + field(3, "/tmp") + field(8, linux)
    pod = ask("RunPodSandbox", field(1, pod_config))[1]
    assert isinstance(pod, bytes)
    try:
        config = field(1, field(1, "container")) + field(2, field(1, image))
        for annotation in annotations:
            key, _, value = annotation.partition("=")
            config += field(10, field(1, key) + field(2, value))
        resources = field(4, int(memory)) + field(6, "0")
        config += field(15, field(1, resources) + field(2, field(3, namespaces)))
        request = field(1, pod) + field(2, config) + field(3, pod_config)
        container = ask("CreateContainer", request)[1]
        assert isinstance(container, bytes)
        ask("StartContainer", field(1, container))
        for line in sys.stdin:
            words = b"".join(field(2, word) for word in ("/bin/sh", "-c", line))
            answer = ask("ExecSync", field(1, container) + words)
            output = answer.get(1, b"")
            assert isinstance(output, bytes)
            print(output.decode(), end="", flush=True)
    finally:
        ask("StopPodSandbox", field(1, pod))
        ask("RemovePodSandbox", field(1, pod))


if __name__ == "__main__":
    main()
