"""This project: single runs by ``DQN.train``, sweeps by ``train_population``."""

from __future__ import annotations

import protocol

PACKAGES = ("arlbench", "jax", "jaxlib", "flax", "flashbax", "gymnax", "numpy")


def nas_config(job):
    return {"activation": job["activation"], "hidden_size": job["hidden_size"]}


def work(job, state, config):
    """The work done, read from the state that the training returned."""
    runner_state = state.runner_state
    return {
        "environment_steps": int(runner_state.global_step) * job["n_envs"],
        "gradient_steps": int(runner_state.train_state.step),
        "batch_size": config["buffer_batch_size"],
        "network": layers(runner_state.train_state.params),
        "buffer_size": config["buffer_size"],
        "evaluation_episodes": job["evaluations"] * job["episodes"],
    }


def layers(params):
    """Widths of the network's layers, read from its kernels."""
    import jax

    shapes = [leaf.shape[-2:] for leaf in jax.tree.leaves(params) if leaf.ndim >= 2]
    return [shapes[0][0], *(shape[1] for shape in shapes)]


def single(job):
    """One training that compiles, then further ones with the same compiled program."""
    import jax

    from arlbench import DQN, make_env

    compilations = protocol.Compilations()
    config = job["configs"][0]
    env = make_env("gymnax", "CartPole-v1", n_envs=job["n_envs"])
    agent = DQN(config, env, nas_config=nas_config(job))
    lengths = job["timesteps"], job["evaluations"], job["episodes"]
    seeds = iter(range(1_000))
    last = None

    def training():
        state = jax.block_until_ready(agent.init(jax.random.key(next(seeds))))

        def call():
            nonlocal last
            last = jax.block_until_ready(agent.train(*state, *lengths))

        return protocol.seconds(call)

    def outcome():
        return work(job, last[0], config), float(last[1].eval_rewards[-1].mean())

    protocol.answer_single(PACKAGES, job, compilations, training, outcome)


def sweep(job):
    """Trains every configuration with every seed, in one call."""
    from arlbench import EnvSpec, Problem
    from arlbench.population import train_population

    compilations = protocol.Compilations()

    problem = Problem(
        EnvSpec("gymnax", "CartPole-v1", job["n_envs"]),
        nas_config=nas_config(job),
        n_total_timesteps=job["timesteps"],
        n_eval_steps=job["evaluations"],
        n_eval_episodes=job["episodes"],
    )

    def call():
        return train_population(
            problem,
            configurations(job),
            job.get("seeds", [job["seed"]]),
            keep_params=bool(job.get("keep_state")),
            keep_state=bool(job.get("keep_state")),
        )

    result = call()
    more = {"compilations": compilations.summary()}
    if job.get("again"):
        more["again_seconds"] = protocol.seconds(call)
    if job.get("keep_state"):
        more["work"] = [work_of_member(job, member) for member in result.members]
    protocol.answer(
        PACKAGES,
        compile_seconds=float(result.compile_seconds),
        train_seconds=[float(result.train_seconds)],
        wall_seconds=float(result.wall_seconds),
        n_groups=result.n_groups,
        n_processes=result.n_processes,
        capacity=result.init_options["capacity"],
        returns=result.returns[:, :, -1].mean(axis=(1, 2)).tolist(),
        **more,
    )


def work_of_member(job, member):
    """The work done, read from the results of a member."""
    config = job["configs"][member.config_index]
    return {
        "environment_steps": int(member.parts["global_step"]) * job["n_envs"],
        "gradient_steps": int(member.parts["train_step"]),
        "batch_size": config["buffer_batch_size"],
        "network": layers(member.params),
        "buffer_size": config["buffer_size"],
        "evaluation_episodes": member.returns.size,
    }


def configurations(job):
    """The job's configurations, or the requested number from the default space."""
    if not job.get("default_space"):
        return job["configs"]
    from arlbench import DQN

    space = DQN.get_hpo_config_space(seed=job["seed"])
    return space.sample_configuration(job["default_space"])


def devices(job):
    """The devices that JAX would use."""
    import jax

    device = jax.devices()[0]
    protocol.answer(PACKAGES, platform=device.platform, device_kind=device.device_kind)


def main():
    job = protocol.read_job()
    import arlbench  # noqa: F401  (before JAX is, for its settings)

    if cores := job.get("cores"):
        from arlbench.population import use_cores

        # This comes first, so that the workers start while this process imports.
        use_cores(None if cores == "all" else cores)
    {"single": single, "sweep": sweep, "devices": devices}[job["kind"]](job)


if __name__ == "__main__":
    main()
