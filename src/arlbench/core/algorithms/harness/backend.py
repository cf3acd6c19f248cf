"""The backend that programs are compiled for; only this module asks for the kind of device."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from arlbench import runtime
from arlbench.core import lockstep
from arlbench.core.checks import whole_from_environment
from arlbench.errors import ConfigurationError

_log = logging.getLogger(__name__)

#: How accelerators multiply matrices: "float32" or "tf32".
PRECISION_VARIABLE = "ARLBENCH_PRECISION"

# The names in JAX.
_PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32"}
_EXACT = {"float32", "highest"}

# JAX's names for the platform of an NVIDIA GPU.
_GPUS = ("gpu", "cuda")

# Compiler options for programs of many members on an accelerator. Merging products would first copy
# their operands together; a loop whose body is not unrolled twice copies values that it still
# reads; and without the analysis of regions, all leaves of the replay buffer's tree are copied
# twice in every iteration. Unless their parallelism is set, kernels are compiled one after another,
# even those of programs that are compiled at the same time. The compiler does not try out kernels,
# because its choice, and with it the last bits, could then differ from process to process.
_COMPILER_OPTIONS = {
    "xla_gpu_autotune_level": 0,
    "xla_gpu_dot_merger_threshold_mb": 0,
    "xla_gpu_enable_while_loop_unrolling": "WHILE_LOOP_UNROLLING_DOUBLE_BUFFER",
    "xla_gpu_copy_insertion_use_region_analysis": True,
    "xla_gpu_force_compilation_parallelism": os.cpu_count() or 1,
}

# Kernels that the compiler writes for products, and does not try out, have tiles of 16 by 8. With
# the library's kernels instead, an iteration of 256 members with two layers of 256 units takes 0.53
# instead of 1.37 ms (H200).
_PRODUCTS_BY_LIBRARY = {"xla_gpu_enable_triton_gemm": False}


def check_variables() -> None:
    """Checks the environment variables for backends, also those that this machine does not use.

    Raises:
        ConfigurationError: If the precision or the number of threads has a wrong value.
    """
    _asked()
    whole_from_environment(runtime.THREADS_VARIABLE, word=runtime.ALL_THREADS)


def compiler_options(has_kernel: bool) -> dict[str, Any]:
    """Compiler options for programs of many members on an accelerator.

    Args:
        has_kernel: Whether the algorithm's own kernel computes gradient steps. The remaining
            products, which choose actions, are so small that what follows them is better computed
            in the same kernel, which a library cannot do.
    """
    return _COMPILER_OPTIONS if has_kernel else {**_COMPILER_OPTIONS, **_PRODUCTS_BY_LIBRARY}


class Backend(NamedTuple):
    """The backend that a program is compiled for, which is a static argument of the program.

    Attributes:
        waits: Whether the program may use computed values to decide what to do next. On a CPU
            this costs nothing. An accelerator gets its work in advance; there it is cheaper
            to compute more than necessary.
        precision: The precision of matrix products, by its name in JAX; None leaves it to JAX.
        kernels: Whether an algorithm's own GPU kernels may be used. They multiply in TF32; in
            float32 they are slower than the compiler's code.
    """

    waits: bool
    precision: str | None
    kernels: bool = False

    @contextlib.contextmanager
    def tracing(self) -> Iterator[None]:
        """Within this context, programs are traced for this backend."""
        with lockstep.without_waiting(not self.waits), _multiplying(self.precision):
            yield


def backend_of(device: Any) -> Backend:
    """The backend of a JAX device.

    Raises:
        ConfigurationError: If the environment variable for the precision has a wrong value.
    """
    if device.platform == "cpu":
        return Backend(waits=True, precision=None)
    precision = _precision()
    exact = {precision, jax.config.jax_default_matmul_precision} & _EXACT  # type: ignore[attr-defined]
    return Backend(False, precision, kernels=device.platform in _GPUS and not exact)


def recorded(device: Any) -> dict[str, str]:
    """What files record about a device: its kind and, since rounding differs, its precision."""
    if device.platform == "cpu":
        return {"device": device.device_kind}
    precision = jax.config.jax_default_matmul_precision or _asked()  # type: ignore[attr-defined]
    return {"device": device.device_kind, "precision": precision}


@contextlib.contextmanager
def precise() -> Iterator[None]:
    """Within this context, programs for the default device multiply with the chosen precision."""
    on_cpu = jax.default_backend() == "cpu"
    with _multiplying(None if on_cpu else _precision()):
        yield


def _precision() -> str | None:
    """The chosen precision; None if it is set in JAX itself."""
    if jax.config.jax_default_matmul_precision is not None:  # type: ignore[attr-defined]
        return None
    asked = _asked()
    _log.info("matrix products in %s", asked)
    return _PRECISIONS[asked]


def _asked() -> str:
    asked = os.environ.get(PRECISION_VARIABLE, "float32").lower()
    if asked not in _PRECISIONS:
        raise ConfigurationError(
            f"{PRECISION_VARIABLE} is {asked!r}; set it to 'float32', or to 'tf32', which is "
            "faster and keeps about three decimal digits of each product."
        )
    return asked


@contextlib.contextmanager
def _multiplying(precision: str | None) -> Iterator[None]:
    if precision is None:
        yield
        return
    with jax.default_matmul_precision(precision):
        yield
