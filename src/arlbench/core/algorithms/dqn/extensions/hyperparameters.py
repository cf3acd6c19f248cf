"""The hyperparameters that only the extended space has, and presets.

Every default means *off*: with all defaults, DQN is that of the published space.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from arlbench.core.algorithms import declarations
from arlbench.core.algorithms.declarations import (
    POSITIVE,
    PROBABILITY,
    Condition,
    Declarations,
    choice,
    flag,
    real,
    whole,
)
from arlbench.core.algorithms.possible import Possible

NOT_NEGATIVE = Possible(0.0)
#: Longer windows would make every batch slow to draw.
N_STEPS = Possible(1, 100)
ATOMS = Possible(2, 1000)

#: The choices of ``loss``; as an input of a program, a choice is its index here.
SQUARED, HUBER = LOSSES = ("squared", "huber")

#: The choices of ``exploration``.
EPSILON_GREEDY, BOLTZMANN, EZ_GREEDY = EXPLORATIONS = ("epsilon_greedy", "boltzmann", "ez_greedy")

#: The choices of ``distribution``.
NO_DISTRIBUTION, CATEGORICAL, QUANTILE = DISTRIBUTIONS = ("none", "categorical", "quantile")

#: The choices of ``activation`` in the extended space; the first is the default.
ACTIVATIONS = ("tanh", "relu", "gelu", "silu", "elu")

_HUBER = Condition("loss", HUBER)
_BOLTZMANN = Condition("exploration", BOLTZMANN)
_PRIORITISED = Condition("buffer_prio_sampling", True)
_ANY = Possible()
_CATEGORICAL = Condition("distribution", CATEGORICAL)
_QUANTILE = Condition("distribution", QUANTILE)


class ExtendedHyperparameters(NamedTuple):
    """Extended hyperparameters as inputs of a program, each a scalar ``[]``.

    If its extension is not compiled in, a hyperparameter is None, which is not an input. The
    papers:

    - ``loss``, ``huber_delta``: errors beyond delta count linearly (Mnih et al. 2015).
    - ``max_grad_norm``: gradients are scaled down to this norm (Pascanu et al. 2013); 0: off.
    - ``adam_epsilon``: the constant in Adam's denominator (Kingma & Ba 2015).
    - ``weight_decay``: decoupled from the gradient (Loshchilov & Hutter 2019); 0: off.
    - ``double_q``: the network chooses, the target network values (van Hasselt et al. 2016).
    - ``n_step``: steps of reward before bootstrapping (Sutton 1988; Hessel et al. 2018).
    - ``learning_rate_final_factor``: the learning rate at the end of the schedule as a share of
      that at the beginning, linear in between; 1: off.
    - ``buffer_beta_anneal``: beta grows linearly by this share of ``1 - beta`` over the schedule
      (Schaul et al. 2016); 0: off.
    - ``munchausen_alpha``, ``munchausen_temperature``: the scaled log-policy is part of the reward
      (Vieillard et al. 2020); 0: off.
    - ``exploration``: random actions with probability epsilon, for one step or for a random number
      of steps (Dabney et al. 2021), or actions drawn with probabilities that are proportional to
      ``exp(q / exploration_temperature)`` (Sutton & Barto 2018, section 2.8).
    """

    loss: Annotated[Any, choice(LOSSES, SQUARED, extended=True)]
    huber_delta: Annotated[
        Any, real(0.1, 10.0, 1.0, POSITIVE, log=True, active_if=_HUBER, extended=True)
    ]
    max_grad_norm: Annotated[Any, real(0.0, 40.0, 0.0, NOT_NEGATIVE, extended=True)]
    adam_epsilon: Annotated[Any, real(1e-10, 1e-2, 1e-8, POSITIVE, log=True, extended=True)]
    weight_decay: Annotated[Any, real(0.0, 0.1, 0.0, NOT_NEGATIVE, extended=True)]
    double_q: Annotated[Any, flag(False, extended=True)]
    n_step: Annotated[Any, whole(1, 10, 1, N_STEPS, extended=True)]
    learning_rate_final_factor: Annotated[
        Any, real(0.01, 1.0, 1.0, PROBABILITY, log=True, extended=True)
    ]
    buffer_beta_anneal: Annotated[
        Any, real(0.0, 1.0, 0.0, PROBABILITY, counts_if=_PRIORITISED, extended=True)
    ]
    munchausen_alpha: Annotated[Any, real(0.0, 1.0, 0.0, PROBABILITY, extended=True)]
    munchausen_temperature: Annotated[Any, real(1e-3, 1.0, 0.03, POSITIVE, log=True, extended=True)]
    exploration: Annotated[Any, choice(EXPLORATIONS, EPSILON_GREEDY, extended=True)]
    exploration_temperature: Annotated[
        Any, real(1e-3, 10.0, 1.0, POSITIVE, log=True, active_if=_BOLTZMANN, extended=True)
    ]


class ExtendedArchitecture(NamedTuple):
    """Extended architecture choices, all structural.

    - ``activation``: also gelu (Hendrycks & Gimpel 2016), silu and elu (Clevert et al. 2016).
    - ``n_layers``: hidden layers; the convolutions of a convolutional network count as one.
    - ``layer_norm``: each dense hidden layer is normalised before its nonlinearity (Ba et al.
      2016).
    - ``dueling``: values are the sum of a state's value and advantages (Wang et al. 2016).
    - ``distribution``: the network learns the distribution of returns, as probabilities of
      ``n_atoms`` values from ``v_min`` to ``v_max`` (Bellemare et al. 2017), or as ``n_quantiles``
      equally likely values (Dabney et al. 2018).
    - ``noisy``: weights of dense layers have learnt noise (Fortunato et al. 2018).
    """

    activation: Annotated[str, choice(ACTIVATIONS, "tanh", structural=True, extended=True)]
    n_layers: Annotated[int, whole(1, 4, 2, structural=True, extended=True)]
    layer_norm: Annotated[bool, flag(False, structural=True, extended=True)]
    dueling: Annotated[bool, flag(False, structural=True, extended=True)]
    noisy: Annotated[bool, flag(False, structural=True, extended=True)]
    distribution: Annotated[
        str, choice(DISTRIBUTIONS, NO_DISTRIBUTION, structural=True, extended=True)
    ]
    n_atoms: Annotated[
        int, whole(2, 101, 51, ATOMS, active_if=_CATEGORICAL, structural=True, extended=True)
    ]
    v_min: Annotated[
        float,
        real(-500.0, 0.0, -10.0, _ANY, active_if=_CATEGORICAL, structural=True, extended=True),
    ]
    v_max: Annotated[
        float,
        real(1.0, 500.0, 10.0, _ANY, active_if=_CATEGORICAL, structural=True, extended=True),
    ]
    n_quantiles: Annotated[
        int, whole(2, 200, 50, ATOMS, active_if=_QUANTILE, structural=True, extended=True)
    ]


#: Every extended hyperparameter by name.
EXTENDED: Declarations = declarations.declared(ExtendedHyperparameters)

#: Every extended architecture choice by name; ``activation`` has more choices than published.
EXTENDED_CHOICES: Declarations = declarations.declared(ExtendedArchitecture)

#: Huber loss and clipped gradients, as in most libraries.
_STABLE: Mapping[str, Any] = {"loss": "huber", "max_grad_norm": 10.0}

#: The parts and values of Hessel et al. (2018), except for those that only suit Atari games, and
#: clipped gradients (Wang et al. 2016).
_RAINBOW: Mapping[str, Any] = {
    "double_q": True,
    "n_step": 3,
    "buffer_prio_sampling": True,
    "buffer_alpha": 0.5,
    "buffer_beta": 0.4,
    "buffer_beta_anneal": 1.0,
    "max_grad_norm": 10.0,
    "adam_epsilon": 1.5e-4,
    "initial_epsilon": 0.0,
    "target_epsilon": 0.0,
    "dueling": True,
    "noisy": True,
    "distribution": "categorical",
}

#: DQN as published, DQN as in most libraries, and Rainbow: the values that are not the defaults.
PRESETS: Mapping[str, Mapping[str, Any]] = {"dqn": {}, "stable": _STABLE, "rainbow": _RAINBOW}
