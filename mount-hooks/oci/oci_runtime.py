#!/usr/bin/python3 -IS
"""OCI runtime for engines that have no place for hooks: adds ours to a container and becomes runc.

    oci-runtime ...    as runc is called; all goes on to that

On `create` and `run` the bundle's config.json gets a createContainer hook. Whatever goes wrong with
that is a line on stderr, and runc has the bundle as it was.

It stands alone: nothing outside the standard library.
"""

import json
import os
import sys
from typing import NoReturn

_HOOK = {
    "path": "/usr/libexec/lxcfs-py/oci-hook",
    "args": ["oci-hook", "/var/lib/lxcfs"],
    # Else runc hands on the container's, and with it LD_PRELOAD.
    "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
    "timeout": 10,
}
_RUNC = ("/usr/bin/runc", "/usr/sbin/runc", "/usr/local/bin/runc", "/usr/local/sbin/runc")
_CONFIG_MAX = 16 << 20

# runc's options that take a value in the next word.
_WITH_VALUE = ("--log", "--log-format", "--root", "--criu", "--rootless")


def bundle_of(words: list[str]) -> str | None:
    """The bundle that is about to become a container; None: runc is asked for something else."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            break
    else:
        return None
    if word not in ("create", "run"):
        return None
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("-b", "--bundle", "-bundle"):
            return value if equals else next(rest, "")
    return "."


def add_hook(bundle: str) -> None:
    """Have the runtime run our hook, after those that are there.

    Raises:
      OSError, ValueError: the configuration stays as it was.
    """
    path = os.path.join(bundle, "config.json")
    with open(path, "rb") as file:
        config = json.loads(file.read(_CONFIG_MAX))
    hooks = config.get("hooks") or {}  # null is as good as nothing
    hooks["createRuntime"] = [*(hooks.get("createRuntime") or ()), _HOOK]
    config["hooks"] = hooks
    mode = os.stat(path)
    new = f"{path}.lxcfs-py"
    with open(new, "w", encoding="utf-8", opener=_private) as file:
        json.dump(config, file)
    os.chown(new, mode.st_uid, mode.st_gid)
    os.chmod(new, mode.st_mode & 0o7777)
    os.replace(new, path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def main() -> NoReturn:
    """Become runc."""
    try:
        bundle = bundle_of(sys.argv[1:])
        if bundle is not None:
            add_hook(bundle)
    except Exception as error:  # the container must start
        print(f"lxcfs-py: no hook added: {error}", file=sys.stderr)
    for runc in _RUNC:
        if os.access(runc, os.X_OK):
            os.execv(runc, ["runc", *sys.argv[1:]])
    sys.exit("lxcfs-py: runc: not found")


if __name__ == "__main__":
    main()
