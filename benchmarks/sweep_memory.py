"""Peak memory of a sweep by its number of configurations (many short trainings)."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

from reporting import RESULTS, machine, markdown_table, write_json

N_CONFIGS = (64, 256, 1024, 4096)
TIMESTEPS = 20_000


def measure(n_configs: int) -> dict[str, float]:
    """Peak resident memory in MiB of one sweep, in its own process."""
    command = [sys.executable, __file__, str(n_configs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def sweep(n_configs: int) -> dict[str, float]:
    """Trains this many configurations, and returns the peak resident memory in MiB."""
    from arlbench import EnvSpec, Problem
    from arlbench.population import train_population, use_cores

    configs = [
        {
            "learning_rate": 10 ** (-5 + 3 * i / n_configs),
            "buffer_prio_sampling": i % 2 == 1,
            "buffer_size": 100_000,
            "buffer_batch_size": 64,
        }
        for i in range(n_configs)
    ]
    spec = EnvSpec("gymnax", "CartPole-v1", 8)
    problem = Problem(spec, n_total_timesteps=TIMESTEPS, n_eval_steps=1)
    result = train_population(problem, configs, [0], init_options={"capacity": 100_000})
    use_cores(1)  # ends the workers, so that their memory is known
    return {
        "configurations": n_configs,
        "processes": result.n_processes,
        "this_process_mib": _peak(resource.RUSAGE_SELF),
        "largest_worker_mib": _peak(resource.RUSAGE_CHILDREN),
    }


def _peak(who: int) -> float:
    return round(resource.getrusage(who).ru_maxrss / 1024, 1)


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(sweep(int(sys.argv[1]))))
        return
    rows = [measure(n) for n in N_CONFIGS]
    table = markdown_table(
        ["configurations", "processes", "this process, MiB", "largest worker, MiB"],
        [[f"{value:,.0f}" for value in row.values()] for row in rows],
    )
    described = machine()
    write_json("sweep_memory", {"machine": described, "rows": rows})
    text = (
        "# Peak memory of a sweep\n\nTwo training programs, buffers of 100,000 rows, "
        f"{TIMESTEPS:,} steps each. Written by `python benchmarks/sweep_memory.py`.\n\n{table}\n"
    )
    (RESULTS / "sweep_memory.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
