"""The former name of :mod:`arlbench.experiments.samplers`, for scripts that use it."""

from arlbench.experiments.samplers import sampler_class as tuner_class

__all__ = ["tuner_class"]
