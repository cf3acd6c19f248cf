"""Settings made before JAX is used; their effects are tested in separate processes."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

import arlbench
from arlbench import runtime

VARIABLES = [
    "ARLBENCH_CPU_THREADS",
    "ARLBENCH_COMPILATION_CACHE",
    "NPROC",
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
]
CACHE, MIN_SECONDS = VARIABLES[-2:]

COMPILE_SOMETHING = """
jax.jit(lambda x: x @ x)(jax.numpy.ones((4, 4))).block_until_ready()
"""
COUNT_THREADS = """
names = [open(f"/proc/self/task/{t}/comm").read() for t in os.listdir("/proc/self/task")]
result = sum("Eigen" in name for name in names)
"""


@pytest.fixture
def clean_environment(monkeypatch):
    """Removes all of the variables, and undoes what a test sets."""
    for name in VARIABLES:
        # Set first, because otherwise monkeypatch would not remove what the tested code adds.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def run(code: str, **environment: object):
    """The value of ``result`` after the code has run in a new process with these variables."""
    inherited = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    code = f"import json, os, sys\n{code}\nprint(json.dumps(result))"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, **{k: str(v) for k, v in environment.items()}},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout)


def test_importing_arlbench_imports_neither_jax_nor_anything_heavy():
    code = "import arlbench; result = sorted(m for m in sys.modules if '.' not in m)"
    imported = run(code, ARLBENCH_COMPILATION_CACHE="off")
    assert "arlbench" in imported
    heavy = {"jax", "jaxlib", "flax", "optax", "flashbax", "ConfigSpace", "gymnax", "matplotlib"}
    assert heavy.isdisjoint(imported)


def test_importing_all_public_names_does_not_initialise_jax():
    code = """
from arlbench import DQN, EnvSpec, Environment, make_env
from jax._src import xla_bridge
result = [xla_bridge.backends_are_initialized(), DQN.__module__]
"""
    initialised, module = run(code, ARLBENCH_COMPILATION_CACHE="off")
    assert not initialised
    assert module == "arlbench.core.algorithms.dqn.dqn"


def test_a_public_name_that_does_not_exist_is_an_attribute_error():
    assert set(arlbench.__all__) == {
        "AutoRLEnv",
        "AutoRLVectorEnv",
        "DQN",
        "EnvSpec",
        "Environment",
        "Problem",
        "make_env",
        "run_arlbench",
    }
    with pytest.raises(AttributeError, match="no attribute 'PPO'"):
        _ = arlbench.PPO


@pytest.mark.parametrize(
    ("given", "nproc"),
    [
        ({}, "1"),
        ({"ARLBENCH_CPU_THREADS": "3"}, "3"),
        ({"ARLBENCH_CPU_THREADS": "all"}, None),
        ({"NPROC": "2"}, "2"),
        ({"NPROC": "2", "ARLBENCH_CPU_THREADS": "3"}, "2"),
    ],
)
def test_one_thread_unless_the_environment_says_otherwise(clean_environment, given, nproc):
    for name, value in given.items():
        clean_environment.setenv(name, value)
    clean_environment.setattr(runtime, "_CHOSEN", {})
    runtime.limit_cpu_threads()
    assert os.environ.get("NPROC") == nproc


@pytest.mark.parametrize(
    ("given", "nproc", "of_children"),
    [
        ({}, None, {"NPROC": "1"}),
        ({"ARLBENCH_CPU_THREADS": "3"}, "3", {}),
        ({"ARLBENCH_CPU_THREADS": "all"}, None, {}),
        ({"NPROC": "1"}, "1", {}),
    ],
)
def test_large_kernels_get_all_threads_unless_the_environment_says_otherwise(
    clean_environment, given, nproc, of_children
):
    for name, value in given.items():
        clean_environment.setenv(name, value)
    clean_environment.setattr(runtime, "_CHOSEN", {})
    runtime.limit_cpu_threads()
    runtime.use_all_threads()
    assert os.environ.get("NPROC") == nproc
    assert runtime.variables_of_children() == of_children


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
@pytest.mark.parametrize("threads", [1, 3])
def test_the_backend_has_as_many_threads_as_asked_for(threads):
    code = "import arlbench, jax" + COMPILE_SOMETHING + COUNT_THREADS
    given = {} if threads == 1 else {"ARLBENCH_CPU_THREADS": threads}
    assert run(code, ARLBENCH_COMPILATION_CACHE="off", **given) == threads


@pytest.mark.parametrize("word", ["off", "OFF", "0", "false", "False", "no"])
def test_the_compilation_cache_can_be_switched_off(clean_environment, word):
    clean_environment.setenv("ARLBENCH_COMPILATION_CACHE", word)
    clean_environment.delitem(sys.modules, "jax", raising=False)
    assert runtime.compilation_cache_folder() is None
    runtime.enable_compilation_cache()
    assert CACHE not in os.environ
    assert MIN_SECONDS not in os.environ


@pytest.mark.parametrize("setting", [None, ""])
def test_by_default_the_cache_lies_where_the_system_keeps_caches(clean_environment, setting):
    if setting is not None:
        clean_environment.setenv("ARLBENCH_COMPILATION_CACHE", setting)
    expected = Path(platformdirs.user_cache_dir("arlbench")) / "compiled"
    assert runtime.compilation_cache_folder() == expected


def nobody_knows(_: int) -> None:
    raise KeyError("a number that has no user, as in some containers")


def test_without_a_home_folder_there_is_no_cache(clean_environment):
    for name in ("HOME", "XDG_CACHE_HOME"):
        clean_environment.delenv(name, raising=False)
    clean_environment.setattr(pwd, "getpwuid", nobody_knows)
    clean_environment.delitem(sys.modules, "jax", raising=False)
    assert runtime.compilation_cache_folder() is None
    runtime.enable_compilation_cache()
    assert CACHE not in os.environ


def test_a_folder_of_older_platformdirs_without_a_home_folder_is_not_used(clean_environment):
    clean_environment.setattr(platformdirs, "user_cache_path", lambda name: Path("~/.cache") / name)
    assert runtime.cache_folder() is None


def test_the_cache_may_lie_in_any_folder(clean_environment, tmp_path):
    clean_environment.setenv("ARLBENCH_COMPILATION_CACHE", str(tmp_path))
    # As if arlbench had been imported first, which is recognised by the names in sys.modules.
    clean_environment.delitem(sys.modules, "jax", raising=False)
    runtime.enable_compilation_cache()
    assert os.environ[CACHE] == str(tmp_path)
    assert float(os.environ[MIN_SECONDS]) == 0.2


def test_a_cache_that_the_user_has_set_is_kept(clean_environment, tmp_path):
    clean_environment.setenv(CACHE, "/elsewhere")
    clean_environment.setenv("ARLBENCH_COMPILATION_CACHE", str(tmp_path))
    clean_environment.delitem(sys.modules, "jax", raising=False)
    runtime.enable_compilation_cache()
    assert os.environ[CACHE] == "/elsewhere"
    assert MIN_SECONDS not in os.environ


def test_programs_are_kept_in_the_folder_and_found_again(tmp_path):
    code = f"""
import arlbench, jax
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
{COMPILE_SOMETHING}
result = [jax.config.jax_compilation_cache_dir, hits.count("/jax/compilation_cache/cache_hits")]
"""
    environment = {"ARLBENCH_COMPILATION_CACHE": tmp_path / "new", MIN_SECONDS: 0}
    folder, hits = run(code, **environment)
    assert (folder, hits) == (str(tmp_path / "new"), 0)
    assert list((tmp_path / "new").iterdir())
    assert run(code, **environment)[1] > 0


REPORT_AFTER_JAX = """
import arlbench
result = [
    jax.config.jax_compilation_cache_dir,
    jax.config.jax_persistent_cache_min_compile_time_secs,
]
"""


def test_where_jax_was_imported_first_it_is_told_of_the_folder(tmp_path):
    code = "import jax" + REPORT_AFTER_JAX
    assert run(code, ARLBENCH_COMPILATION_CACHE=tmp_path) == [str(tmp_path), 0.2]


def test_where_jax_was_imported_first_what_the_user_has_set_is_kept(tmp_path):
    code = "import jax; jax.config.update('jax_compilation_cache_dir', 'mine')" + REPORT_AFTER_JAX
    assert run(code, ARLBENCH_COMPILATION_CACHE=tmp_path) == ["mine", 1.0]


def test_a_shortest_compile_time_that_the_user_has_set_is_kept_in_either_order(tmp_path):
    environment = {"ARLBENCH_COMPILATION_CACHE": tmp_path, MIN_SECONDS: 5}
    for first in ("import arlbench, jax", "import jax"):
        assert run(first + REPORT_AFTER_JAX, **environment) == [str(tmp_path), 5.0]
