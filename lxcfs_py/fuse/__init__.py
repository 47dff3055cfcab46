"""The protocol adapter: inodes and handles in, bytes and errnos out."""
