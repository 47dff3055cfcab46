"""Whole machines: Debian releases in qemu, with the package installed as on a user's host."""
