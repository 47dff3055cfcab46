"""First in PYTHONPATH, this makes a daemon that keeps nothing: every moment is over at once.

For measuring alone: what of a figure is the work, and what that it was done a moment ago.
"""

import lxcfs_py.host

lxcfs_py.host.MAX_AGE = 0.0
