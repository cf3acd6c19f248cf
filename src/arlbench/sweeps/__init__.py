"""Sweeps: many configurations with many seeds, kept in a folder that grows as they end."""
