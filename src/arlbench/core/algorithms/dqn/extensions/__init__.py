"""Improvements of DQN since 2015, each a hyperparameter and a pure function with its paper.

An extension that is not compiled into a program costs nothing there; see
:mod:`arlbench.core.algorithms.dqn.extensions.registry`.
"""
