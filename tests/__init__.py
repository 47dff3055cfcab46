"""Tests: run by pytest; those with real mounts and containers need root."""
