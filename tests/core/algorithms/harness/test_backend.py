"""What programs are compiled for, and how accelerators multiply."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from accelerated import ACCELERATOR, WITH_KERNELS, batch_of
from arlbench.core import lockstep
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn import dqn as dqn_module
from arlbench.core.algorithms.harness import batching, programs
from arlbench.core.algorithms.harness.backend import (
    PRECISION_VARIABLE,
    Backend,
    backend_of,
    check_variables,
    compiler_options,
    precise,
    recorded,
)
from arlbench.core.environments import make_env
from arlbench.errors import ConfigurationError
from arlbench.runtime import THREADS_VARIABLE
from probes import small_dqn, small_state


class Device(NamedTuple):
    """What is read of a device of JAX."""

    platform: str
    device_kind: str = "some device"


@pytest.fixture(autouse=True)
def nothing_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither by the variable nor in JAX, whatever the tests are run with."""
    monkeypatch.delenv(PRECISION_VARIABLE, raising=False)
    with jax.default_matmul_precision(None):
        yield


def precision_of_a_product() -> str:
    """The precision of a product that is traced now, as its jaxpr says it."""
    jaxpr = jax.make_jaxpr(jnp.dot)(jnp.ones((2, 2)), jnp.ones((2, 2)))
    (product,) = [e for e in jaxpr.jaxpr.eqns if e.primitive.name == "dot_general"]
    return str(product.params["precision"])


@pytest.mark.parametrize(("platform", "is_gpu"), [("gpu", True), ("cuda", True), ("tpu", False)])
@pytest.mark.parametrize(
    ("asked", "precision"),
    [
        (None, "float32"),
        ("float32", "float32"),
        ("tf32", "tensorfloat32"),
        ("TF32", "tensorfloat32"),
    ],
)
def test_accelerators_do_not_wait_and_multiply_as_was_asked(
    platform, is_gpu, asked, precision, monkeypatch, caplog
):
    if asked is not None:
        monkeypatch.setenv(PRECISION_VARIABLE, asked)
    with caplog.at_level(logging.INFO, logger="arlbench"):
        backend = backend_of(Device(platform))
    # Own kernels are for GPUs, and multiply in TF32.
    assert backend == Backend(False, precision, kernels=is_gpu and precision == "tensorfloat32")
    assert caplog.messages == [f"matrix products in {(asked or 'float32').lower()}"]


def test_a_wrong_precision_is_named_with_those_that_there_are(monkeypatch):
    monkeypatch.setenv(PRECISION_VARIABLE, "half")
    message = f"{PRECISION_VARIABLE} is 'half'; set it to 'float32', or to 'tf32'"
    with pytest.raises(ConfigurationError, match=message):
        backend_of(Device("gpu"))


def test_a_precision_that_jax_itself_was_told_goes_before(monkeypatch, caplog):
    monkeypatch.setenv(PRECISION_VARIABLE, "tf32")
    with jax.default_matmul_precision("highest"), caplog.at_level(logging.INFO, logger="arlbench"):
        backend = backend_of(Device("gpu"))
        with backend.tracing():
            assert "HIGHEST" in precision_of_a_product()
    assert backend == Backend(waits=False, precision=None)
    assert caplog.messages == []


def test_files_record_the_device_and_on_an_accelerator_its_precision(monkeypatch):
    assert recorded(Device("cpu", "cpu")) == {"device": "cpu"}
    card = Device("gpu", "NVIDIA H100")
    assert recorded(card) == {"device": "NVIDIA H100", "precision": "float32"}
    monkeypatch.setenv(PRECISION_VARIABLE, "TF32")
    assert recorded(card)["precision"] == "tf32"
    with jax.default_matmul_precision("highest"):
        assert recorded(card)["precision"] == "highest"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (PRECISION_VARIABLE, "half", "is 'half'; set it to 'float32', or to 'tf32'"),
        (PRECISION_VARIABLE, "", "is ''; set it to 'float32', or to 'tf32'"),
        (THREADS_VARIABLE, "0", "must be a whole number of at least 1 or 'all', not '0'"),
        (THREADS_VARIABLE, "many", "must be a whole number of at least 1 or 'all', not 'many'"),
    ],
)
def test_wrong_variables_are_refused_on_every_machine(variable, value, message, monkeypatch):
    env = make_env("gymnax", "CartPole-v1", n_envs=1)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"{variable} {message}"):
        DQN({}, env)


@pytest.mark.parametrize("threads", ["1", "12", "all"])
def test_threads_are_a_number_or_all(threads, monkeypatch):
    monkeypatch.setenv(THREADS_VARIABLE, threads)
    check_variables()


def test_on_a_cpu_products_stay_as_they_are(monkeypatch):
    monkeypatch.setenv(PRECISION_VARIABLE, "tf32")
    (device,) = jax.local_devices(backend="cpu")[:1]
    assert backend_of(device) == Backend(waits=True, precision=None)
    before = precision_of_a_product()
    with backend_of(device).tracing():
        assert precision_of_a_product() == before
        assert lockstep.may_wait()


def test_what_is_traced_for_an_accelerator_is_as_the_backend_says_and_nothing_after_it():
    before = precision_of_a_product()
    seen = []
    for precision in ("float32", "tensorfloat32"):
        with Backend(waits=False, precision=precision).tracing():
            seen.append(precision_of_a_product())
            assert not lockstep.may_wait()
    assert len({before, *seen}) == 3
    assert precision_of_a_product() == before
    assert lockstep.may_wait()


def test_programs_of_the_default_device_are_precise_only_on_an_accelerator(monkeypatch):
    before = precision_of_a_product()
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    with precise():
        assert precision_of_a_product() == before
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with precise():
        assert precision_of_a_product() != before
    assert precision_of_a_product() == before


def test_methods_and_rehearsals_use_the_precision_of_an_accelerator(monkeypatch):
    dqn = small_dqn()
    runner, _ = small_state(dqn)
    seen = {}

    def recorder(name, result):
        def program(*_, **__):
            seen[name] = jax.config.jax_default_matmul_precision
            return result

        return program

    class Evaluation:
        """Stands for a program that is compiled in advance."""

        lower = staticmethod(lambda *_: Evaluation())
        compile = staticmethod(recorder("evaluate ahead", None))

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(programs, "act", recorder("predict", None))
    monkeypatch.setattr(programs, "evaluate", recorder("evaluate", (None, True)))
    monkeypatch.setattr(dqn_module, "update_once", recorder("update", None))
    obs, numbers, actions = np.zeros((3, 2), np.float32), np.zeros(3), np.zeros(3, int)
    dqn.predict(runner, obs, None)
    dqn.evaluate(runner, 1)
    dqn.update(runner.train_state, obs, numbers, actions, obs, numbers, numbers)
    monkeypatch.setattr(programs, "evaluate", Evaluation)
    for name in ("init_runner", "prepare", "segment"):
        monkeypatch.setattr(programs, name, recorder(f"{name} ahead", None))
    for compile_it in dqn.rehearsals({"capacity": 64}, 1).values():
        compile_it()
    assert seen == {
        "predict": "float32",
        "evaluate": "float32",
        "update": "float32",
        # Values of a new state do not depend on products.
        "init_runner ahead": None,
        "evaluate ahead": "float32",
        "prepare ahead": "float32",
        "segment ahead": "float32",
    }


def test_products_come_from_the_library_unless_an_own_kernel_takes_gradient_steps():
    without, with_kernel = compiler_options(False), compiler_options(True)
    assert without == {**with_kernel, "xla_gpu_enable_triton_gemm": False}
    # Nothing is tried out, so that every process computes the same bits.
    assert with_kernel["xla_gpu_autotune_level"] == 0


@pytest.mark.parametrize(
    ("backend", "hidden_size", "has_kernel"),
    [(WITH_KERNELS, 64, True), (WITH_KERNELS, 128, False), (ACCELERATOR, 64, False)],
)
def test_a_program_has_a_kernel_if_the_network_fits_one(backend, hidden_size, has_kernel):
    env = make_env("gymnax", "CartPole-v1", n_envs=2)
    algorithm = DQN({"buffer_batch_size": 16}, env, nas_config={"hidden_size": hidden_size})
    batch = batch_of([algorithm], backend)
    assert batch._segment is batching._segment_on_accelerator[has_kernel]
    assert batch._evaluation is batching._evaluate_on_accelerator[has_kernel]
