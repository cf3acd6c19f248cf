"""An experiment is a problem, configurations and seeds, and a storage.

Runs and sweeps are experiments.
"""
