"""Tests of lxcfs_py.files: kernel text and resources in, the served text out."""
