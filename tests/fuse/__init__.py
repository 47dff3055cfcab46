"""Tests of lxcfs_py.fuse without a mount: handlers are called directly."""
