"""/proc/PID/{cgroup,stat,status}: membership, state and start time, pid namespaces.

Documentation/filesystems/proc.rst, 1.1; cgroups(7); pid_namespaces(7).
"""

import os


def parse_membership(text: bytes) -> dict[str, str]:
    """/proc/PID/cgroup: the cgroup in each hierarchy, by the hierarchy's controllers.

    The keys are as the kernel writes them: `memory`, `cpu,cpuacct`, `name=systemd`, and the empty
    string for the unified hierarchy. A cgroup that was removed keeps its " (deleted)".
    """
    membership = {}
    for line in os.fsdecode(text).split("\n"):
        if line:
            _, controllers, path = line.split(":", 2)
            membership[controllers] = path
    return membership


def without_init_scope(path: str) -> str:
    """systemd as init puts itself into init.scope; the container is the cgroup above."""
    return path.removesuffix("/init.scope") or "/"


def _fields_after_name(stat: bytes) -> list[bytes]:
    # The name is in parentheses and may itself hold blanks and parentheses.
    return stat[stat.rindex(b")") + 2 :].split()


def parse_start_time(stat: bytes) -> int:
    """/proc/PID/stat, field 22: ticks of USER_HZ from boot to the start of the process."""
    return int(_fields_after_name(stat)[19])


def parse_state(stat: bytes) -> bytes:
    """/proc/PID/stat, field 3: R, S, D, ..."""
    name_end = stat.rindex(b")")
    return stat[name_end + 2 : name_end + 3]


def _status_field(status: bytes, name: bytes) -> bytes:
    start = status.index(b"\n" + name + b":") + len(name) + 2
    return status[start : status.index(b"\n", start)]


def parse_ns_pids(status: bytes) -> tuple[int, ...]:
    """/proc/PID/status, NSpid: its numbers from our pid namespace down to its own."""
    return tuple(map(int, _status_field(status, b"NSpid").split()))


def parse_parent(status: bytes) -> int:
    """/proc/PID/status, PPid: 0 if the parent is not in our pid namespace."""
    return int(_status_field(status, b"PPid"))


def parse_effective_capabilities(status: bytes) -> int:
    """/proc/PID/status, CapEff: a bit for each capability."""
    return int(_status_field(status, b"CapEff"), 16)


def parse_saved_uids(status: bytes) -> tuple[int, int]:
    """/proc/PID/status, Uid: the real and the saved one."""
    real, _, saved, _ = map(int, _status_field(status, b"Uid").split())
    return real, saved


def parse_groups(status: bytes) -> frozenset[int]:
    """/proc/PID/status, Groups: the supplementary ones."""
    return frozenset(map(int, _status_field(status, b"Groups").split()))


def parse_id_map(text: bytes) -> tuple[tuple[int, int, int], ...]:
    """/proc/PID/uid_map and gid_map: first id inside, first id in our user namespace, how many.

    user_namespaces(7).
    """
    ranges = []
    for line in text.splitlines():
        inside, outside, count = map(int, line.split())
        ranges.append((inside, outside, count))
    return tuple(ranges)
