"""The processes: a supervisor that owns the mount, and a worker that answers its requests."""
