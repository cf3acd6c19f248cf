"""Runs: training over seeds, and the folders that keep what came of it."""
