"""The cgroup tree of the file system: `cgroup/` below the mount point."""
