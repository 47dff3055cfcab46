"""The daemon's processes: what ends them, and what readers notice of it."""
