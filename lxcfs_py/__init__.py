"""Container-aware /proc, /sys and cgroup files, served by a FUSE daemon."""

__version__ = "0.1.0"
