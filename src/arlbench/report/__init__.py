"""Plots and tables, made from the files of a run."""
