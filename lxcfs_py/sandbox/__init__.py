"""`lxcfs-py try`: a throw-away container, without a runtime."""
