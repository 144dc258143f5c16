"""Bytes per rank, KV pages, overheads, layouts and the smallest card count."""
