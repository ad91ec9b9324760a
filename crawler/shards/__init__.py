"""Shards: the output that survives."""
