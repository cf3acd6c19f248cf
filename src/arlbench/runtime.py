"""Settings of JAX that suit this package, which must be made before JAX is first used.

They never replace a user's own settings, and they do not initialise JAX.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

#: Number of threads of the CPU backend; the word lets XLA choose.
THREADS_VARIABLE = "ARLBENCH_CPU_THREADS"
ALL_THREADS = "all"

#: A folder for compiled programs; "off" keeps none.
CACHE_VARIABLE = "ARLBENCH_COMPILATION_CACHE"

# XLA's CPU client takes the size of its thread pool from this variable.
_XLA_THREADS_VARIABLE = "NPROC"

# What this module has chosen for the threads, if the user has not.
_CHOSEN: dict[str, str] = {}

# Programs that compile in fewer seconds than this are not stored.
_MIN_COMPILE_SECONDS = 0.2
_MIN_COMPILE_VARIABLE = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def configure() -> None:
    """Limits the threads of the CPU backend and enables the compilation cache."""
    limit_cpu_threads()
    enable_compilation_cache()


def limit_cpu_threads() -> None:
    """Gives the CPU backend one thread, unless an environment variable sets another number.

    The kernels of a small network take microseconds, and passing them between threads takes
    longer than running them. This has no effect after JAX has been used.
    """
    threads = os.environ.get(THREADS_VARIABLE, "1")
    if threads != ALL_THREADS and _XLA_THREADS_VARIABLE not in os.environ:
        os.environ[_XLA_THREADS_VARIABLE] = threads
        if THREADS_VARIABLE not in os.environ:
            _CHOSEN[_XLA_THREADS_VARIABLE] = threads


def use_all_threads() -> None:
    """Lets XLA choose the number of threads, unless an environment variable sets it.

    This suits networks with large kernels, whose results do not depend on the number. It has no
    effect after JAX has been used.
    """
    for name in _CHOSEN:
        os.environ.pop(name, None)


def variables_of_children() -> dict[str, str]:
    """Environment variables for processes that share the cores: one thread each by default."""
    return dict(_CHOSEN)


def cache_folder() -> Path | None:
    """The folder for this user's caches; None for a user without a home folder."""
    try:
        folder = platformdirs.user_cache_path("arlbench")
    except RuntimeError:  # newer platformdirs; older versions return a path that begins with "~"
        return None
    return folder if folder.is_absolute() else None


def compilation_cache_folder() -> Path | None:
    """The folder in which compiled programs are kept between processes; None if they are not."""
    setting = os.environ.get(CACHE_VARIABLE, "")
    if setting.lower() in {"off", "0", "false", "no"}:
        return None
    if setting:
        return Path(setting)
    folder = cache_folder()
    return None if folder is None else folder / "compiled"


def enable_compilation_cache() -> None:
    """Keeps compiled programs between processes, unless the user has set a cache."""
    folder = compilation_cache_folder()
    if folder is None or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    if "jax" not in sys.modules:
        # JAX reads these variables when it is imported, so this function does not import it.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        os.environ.setdefault(_MIN_COMPILE_VARIABLE, str(_MIN_COMPILE_SECONDS))
        return
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        jax.config.update("jax_compilation_cache_dir", str(folder))
        if _MIN_COMPILE_VARIABLE not in os.environ:
            jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS)
