"""Tests of lxcfs_py.cgroup."""
