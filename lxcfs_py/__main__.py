"""`python -m lxcfs_py`: the same program as `lxcfs-py`."""

import sys

from lxcfs_py.cli import main

sys.exit(main())
