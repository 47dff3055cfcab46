"""lxcfs and ours side by side: what both say, and where they differ on purpose."""
