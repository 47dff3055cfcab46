"""Tests with a mounted daemon and real cgroups: what programs in containers really get."""
