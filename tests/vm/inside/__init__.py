"""What is tested in machines alone: the installed package, and every controller of cgroup v2."""
