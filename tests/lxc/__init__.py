"""The hooks in real LXC containers: privileged, unprivileged and nested."""
