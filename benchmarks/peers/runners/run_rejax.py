"""Runs rejax, with the whole training compiled as in its README.

It lacks prioritised replay (uniform replay is measured instead, which is cheaper) and learns after
every vector step. If the others take several vector steps before they learn, it gets as many times
more environments, so that the numbers of environment and gradient steps are the same.
"""

from __future__ import annotations

import warnings

import protocol

warnings.filterwarnings("ignore")

import jax  # noqa: E402
from rejax import DQN  # noqa: E402
from rejax.evaluate import evaluate  # noqa: E402

PACKAGES = ("rejax", "jax", "jaxlib", "flax", "gymnax", "numpy")


def make_algorithm(job, config):
    width = job["n_envs"] * config["train_freq"]
    with_target = config["use_target_network"]
    algorithm = DQN.create(
        env="CartPole-v1",
        agent_kwargs={
            "activation": job["activation"],
            "hidden_layer_sizes": (job["hidden_size"],) * 2,
        }
        if job["hidden_size"] != 64  # the default
        else {"activation": job["activation"]},
        num_envs=width,
        # It learns if the steps before this iteration exceed this number.
        fill_buffer=width * protocol.idle_iterations(job, config) - 1,
        buffer_size=config["buffer_size"],
        batch_size=config["buffer_batch_size"],
        num_epochs=config["gradient_steps"],
        learning_rate=config["learning_rate"],
        gamma=config["gamma"],
        eps_start=config["initial_epsilon"],
        eps_end=config["target_epsilon"],
        exploration_fraction=config["exploration_fraction"],
        target_update_freq=config["target_update_interval"] if with_target else 1,
        polyak=1 - config["tau"] if with_target else 0.0,
        ddqn=False,
        total_timesteps=job["timesteps"],
        eval_freq=-(-job["timesteps"] // job["evaluations"]),
        skip_initial_evaluation=True,
    )

    def evaluation(algo, state, key):
        return evaluate(algo.make_act(state), key, algo.env, algo.env_params, job["episodes"])

    return algorithm.replace(eval_callback=evaluation)


def work(job, state, config):
    """The work done, read from the state that the training returned."""
    kernels = [x.shape for x in jax.tree.leaves(state.q_ts.params) if x.ndim == 2]
    return {
        "environment_steps": int(state.global_step),
        "gradient_steps": int(state.q_ts.step),
        "batch_size": config["buffer_batch_size"],
        "network": [kernels[0][0], *(shape[1] for shape in kernels)],
        "buffer_size": config["buffer_size"],
        "evaluation_episodes": job["evaluations"] * job["episodes"],
        "environments": job["n_envs"] * config["train_freq"],
        "prioritised_replaced_by_uniform": config["buffer_prio_sampling"],
    }


def single(job):
    """One training that compiles, then further ones with the same compiled program."""
    compilations = protocol.Compilations()
    config = job["configs"][0]
    train = jax.jit(make_algorithm(job, config).train)
    seeds = iter(range(1_000))
    last = None

    def training():
        nonlocal last
        last = None  # free the old state's memory before the next one is allocated

        def call():
            nonlocal last
            last = jax.block_until_ready(train(jax.random.key(next(seeds))))

        return protocol.seconds(call)

    def outcome():
        return work(job, last[0], config), float(last[1][1][-1].mean())

    protocol.answer_single(PACKAGES, job, compilations, training, outcome)


def sweep(job):
    """Trains every configuration with every seed in turn, in one process."""

    def train(config, seed):
        algorithm = make_algorithm(job, config)
        state, result = jax.block_until_ready(jax.jit(algorithm.train)(jax.random.key(seed)))
        return work(job, state, config), float(result[1][-1].mean())

    protocol.answer_sweep(PACKAGES, job, train)


if __name__ == "__main__":
    job = protocol.read_job()
    {"single": single, "sweep": sweep}[job["kind"]](job)
