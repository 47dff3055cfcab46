"""Who may import whom: inward only. And what the table of served files says.

cli -> daemon.command -> daemon.supervisor  (starts)  daemon.worker
daemon.worker -> fuse, caller, cgroup, container, host, state_file
fuse -> files, kernel, resources, subject, host, syscalls       cgroup -> host, kernel, resources
files -> kernel, resources      cpu_view, cpu_times -> resources      kernel -> nothing
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lxcfs_py
from lxcfs_py.files import VIRTUAL_FILES

_PACKAGE = Path(lxcfs_py.__file__).parent
_GOLDEN = Path(__file__).parent / "golden/tree.txt"

_MODULES = sorted(
    str(path.relative_to(_PACKAGE).with_suffix("")).replace("/", ".").removesuffix(".__init__")
    for path in _PACKAGE.rglob("*.py")
)

# The layers from which nothing of the world can be reached, and what of ours each may import.
_PURE = {
    "kernel": {"kernel"},
    "resources": set[str](),
    "subject": set[str](),
    "errors": set[str](),
    "cpu_view": {"resources"},
    "cpu_times": {"resources"},
    "cgroup_access": set[str](),
    "exemptions": set[str](),
    "container_state": {"cpu_times", "resources"},
    "files": {"files", "kernel", "resources"},
    "observe.answers": set[str](),
    "observe.formula": set[str](),
    "observe.lines": {"files", "observe"},
    "observe.naming": set[str](),
    "observe.place": set[str](),
    "observe.rules": {"files", "kernel", "observe"},
}
_PURE_STANDARD_LIBRARY = {
    *("collections", "dataclasses", "enum", "functools", "itertools", "math", "re", "stat"),
    *("ast", "ipaddress", "operator", "struct", "typing"),
}
_EDGES = {
    "host": {"resources", "syscalls"},
    "syscalls": set[str](),
    "mapped_file": set[str](),
    "state_file": {"mapped_file"},
    "cgroup": {"cgroup", "cgroup_access", "errors", "host", "kernel", "resources", "syscalls"},
    "pid_numbers": {"host", "kernel", "syscalls"},
    "fuse": {
        *("cgroup_access", "files", "fuse", "host", "kernel", "mapped_file", "resources"),
        "subject",
    },
    "install": {"errors", "install", "options"},
    "daemon.supervisor": {"__version__", "daemon", "errors", "options", "syscalls"},
}


def _path(module: str) -> Path:
    path = _PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


def _imports(module: str) -> Iterator[str]:
    """Every name that a module imports, also in a function: `os`, `lxcfs_py.kernel.pid`."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            assert node.module is not None
            if node.module == "lxcfs_py":
                yield from (f"lxcfs_py.{alias.name}" for alias in node.names)
            else:
                yield node.module


def _ours(module: str) -> set[str]:
    """The layers of ours that a module imports."""
    found = set()
    for name in _imports(module):
        top, _, rest = name.partition(".")
        if top == "lxcfs_py":
            found.add(rest.split(".")[0])
    return found


def _others(module: str) -> set[str]:
    return {name.split(".")[0] for name in _imports(module)} - {"lxcfs_py"}


def _in(layer: str) -> list[str]:
    found = [name for name in _MODULES if name == layer or name.startswith(f"{layer}.")]
    assert found, f"there is no {layer} any more: mend this table"
    return found


@pytest.mark.parametrize("layer", [*_PURE, *_EDGES])
def test_imports_go_inward(layer: str) -> None:
    allowed = (_PURE | _EDGES)[layer]

    assert {name: _ours(name) - allowed for name in _in(layer) if _ours(name) - allowed} == {}


@pytest.mark.parametrize("layer", _PURE)
def test_the_core_reaches_nothing_of_the_world(layer: str) -> None:
    others = {name: _others(name) - _PURE_STANDARD_LIBRARY for name in _in(layer)}
    # For names that are not UTF-8; the next test looks at what of `os` is used.
    for name in ("kernel.mountinfo", "kernel.pid"):
        others.get(name, set()).discard("os")

    assert {name: found for name, found in others.items() if found} == {}


@pytest.mark.parametrize("module", ["kernel.mountinfo", "kernel.pid"])
def test_of_os_only_names_are_decoded(module: str) -> None:
    used = {
        node.attr
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }

    assert used <= {"fsdecode", "fsencode"}


def test_the_supervisor_has_the_standard_library_only() -> None:
    """With all that it imports: there is as little as possible in it that could fail."""
    seen: set[str] = set()
    todo = ["daemon.supervisor"]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        assert _others(module) <= sys.stdlib_module_names, module
        for name in _imports(module):
            ours = name.removeprefix("lxcfs_py.")
            if ours != name and ours in _MODULES:
                todo.append(ours)
    assert not any(module.startswith(("fuse", "files", "cgroup")) for module in seen)


def test_only_cgroup_knows_of_versions() -> None:
    version_test = re.compile(r"\b(v1|v2)\b|hierarchy\.version\b")
    found = [
        f"{name}: {line.strip()}"
        for name in _MODULES
        # `try` writes limits; the readers are for what others have written.
        if not name.startswith("cgroup") and name != "sandbox.cgroup"
        for line in _path(name).read_text().splitlines()
        if version_test.search(line) and line.lstrip().startswith(("if ", "elif ", "return "))
    ]

    assert found == []


def test_only_the_fuse_layer_and_the_worker_know_pyfuse3() -> None:
    users = {name for name in _MODULES if "pyfuse3" in _others(name)}

    assert {name for name in users if not name.startswith("fuse.")} == {"daemon.worker"}


def _reached_from(*modules: str) -> set[str]:
    """Modules of ours that are imported by these, however far away, in functions as well."""
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            names = (name.removeprefix("lxcfs_py.") for name in _imports(module))
            todo += [name for name in names if name in _MODULES]
    return seen


def test_what_is_for_terminals_is_out_of_the_daemons_reach() -> None:
    users = {name for name in _MODULES if "rich" in _others(name)}

    assert users == {"observe.show", "observe.top"}
    assert not users & _reached_from("daemon.command", "daemon.load", "daemon.lost_mounts")


def test_one_module_knows_the_library_for_metrics() -> None:
    assert {name for name in _MODULES if "prometheus_client" in _others(name)} == {
        "observe.metrics"
    }


def test_every_module_has_a_docstring() -> None:
    without = [name for name in _MODULES if not ast.get_docstring(_tree(name))]

    assert without == []


def test_every_module_of_files_is_served() -> None:
    """A new file is a module, and a line in files/__init__.py that is easily forgotten."""
    modules = {name for name in _in("files") if name != "files" and not name.startswith("files._")}
    served = {file.gather.__module__.removeprefix("lxcfs_py.") for file in VIRTUAL_FILES}

    assert served == modules


def test_the_served_paths_are_what_a_review_has_seen() -> None:
    """Add a line to tests/golden/tree.txt for a new file; numbers are never changed or reused."""
    lines = [
        f"{file.number:2} {file.mode:04o} {file.path}"
        for file in sorted(VIRTUAL_FILES, key=lambda file: file.number)
    ]

    assert "\n".join(lines) + "\n" == _GOLDEN.read_text()


def test_handle_numbers_and_paths_are_unique() -> None:
    numbers = [file.number for file in VIRTUAL_FILES]

    assert len(set(numbers)) == len(numbers)
    assert all(1 <= number <= 61 for number in numbers)
    assert len({file.path for file in VIRTUAL_FILES}) == len(VIRTUAL_FILES)
