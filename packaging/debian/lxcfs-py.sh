#!/bin/sh
# -I: neither the environment nor the working directory adds modules.
exec /usr/lib/lxcfs-py/bin/python3 -I -m lxcfs_py "$@"
