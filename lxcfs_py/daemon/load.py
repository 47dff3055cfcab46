"""Starts the template: `python -m lxcfs_py.daemon.load CHANNEL OPTIONS MOUNTED_AT_NS`.

CHANNEL is the descriptor of our channel to the supervisor, which starts us with it.
Nothing of the package is imported before it can be said, in an upgrade, what is wrong with it.
"""

import json
import os
import sys


def _run(channel: int, arguments: list[str]) -> int:
    try:
        from lxcfs_py.daemon.template import main

        return main(channel, arguments)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        os.write(channel, json.dumps({"failure": why}).encode())
        raise


if __name__ == "__main__":
    sys.exit(_run(int(sys.argv[1]), sys.argv[2:]))
