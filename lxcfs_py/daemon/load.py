"""Starts the template: `python -m lxcfs_py.daemon.load OPTIONS MOUNTED_AT_NS`.

Nothing of the package is imported before it can be said, in an upgrade, what is wrong with it.
"""

import json
import os
import sys

CHANNEL = 3
"""The descriptor of our channel to the supervisor, which starts us with it."""


def _run() -> int:
    try:
        from lxcfs_py.daemon.template import main

        return main(CHANNEL, sys.argv[1:])
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        os.write(CHANNEL, json.dumps({"failure": why}).encode())
        raise


if __name__ == "__main__":
    sys.exit(_run())
