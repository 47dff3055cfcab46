"""What tests share: the daemon on a mount of its own, cgroups, waiting, and what was left over."""
