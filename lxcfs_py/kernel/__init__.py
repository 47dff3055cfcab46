"""The text formats the kernel writes, parsed and formatted. Bytes in, values out; no I/O."""
