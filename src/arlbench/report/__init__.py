"""Plots and tables, made from the results of runs and sweeps."""
