"""Tests of lxcfs_py.kernel: text in, values out."""
