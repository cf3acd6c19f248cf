"""Settings of JAX that suit this package, made before JAX is first used.

They only fill in what the user has not set, and initialise nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

#: Threads of the CPU backend; "all" leaves the choice to XLA.
THREADS_VARIABLE = "ARLBENCH_CPU_THREADS"

#: A folder for compiled programs; "off" keeps none.
CACHE_VARIABLE = "ARLBENCH_COMPILATION_CACHE"

# What XLA's CPU client sizes its thread pool by.
_XLA_THREADS_VARIABLE = "NPROC"

# Programs that compile faster than this, in seconds, are not worth a file.
_MIN_COMPILE_SECONDS = 0.2
_MIN_COMPILE_VARIABLE = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def configure() -> None:
    """Applies both settings below."""
    limit_cpu_threads()
    enable_compilation_cache()


def limit_cpu_threads() -> None:
    """Gives the CPU backend one thread, unless the environment says otherwise.

    The kernels of a small network take microseconds; handing them from thread to thread
    takes longer than running them. It has no effect once JAX has been used.
    """
    threads = os.environ.get(THREADS_VARIABLE, "1")
    if threads != "all":
        os.environ.setdefault(_XLA_THREADS_VARIABLE, threads)


def compilation_cache_folder() -> Path | None:
    """Where compiled programs are kept between processes; None where they are not."""
    setting = os.environ.get(CACHE_VARIABLE, "")
    if setting.lower() in {"off", "0", "false", "no"}:
        return None
    return Path(setting) if setting else platformdirs.user_cache_path("arlbench") / "compiled"


def enable_compilation_cache() -> None:
    """Keeps compiled programs between processes, unless the user has set a cache."""
    folder = compilation_cache_folder()
    if folder is None or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    if "jax" not in sys.modules:
        # JAX reads these when it is imported, so this need not import it.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        os.environ.setdefault(_MIN_COMPILE_VARIABLE, str(_MIN_COMPILE_SECONDS))
        return
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        jax.config.update("jax_compilation_cache_dir", str(folder))
        if _MIN_COMPILE_VARIABLE not in os.environ:
            jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS)
