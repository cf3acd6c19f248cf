"""Experiments: a problem, configurations and seeds, and a storage; runs and sweeps are both that."""
