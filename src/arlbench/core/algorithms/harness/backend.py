"""What programs are compiled for; the one place that asks which kind of device it is."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from arlbench.core import lockstep
from arlbench.errors import ConfigurationError

_log = logging.getLogger(__name__)

#: How accelerators multiply matrices: "float32" or "tf32".
PRECISION_VARIABLE = "ARLBENCH_PRECISION"

# As JAX calls them.
_PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32"}
_EXACT = {"float32", "highest"}

# What JAX calls the platform of a GPU of NVIDIA.
_GPUS = ("gpu", "cuda")

#: Options of the compiler for programs of many members on an accelerator. Merged products are
#: copied together first; a loop without two copies of its body copies what it still reads; and
#: without the analysis of regions all leaves of the replay buffer's tree are copied, twice an
#: iteration. To try out kernels for each small product takes longer to compile than it saves.
COMPILER_OPTIONS = {
    "xla_gpu_autotune_level": 0,
    "xla_gpu_dot_merger_threshold_mb": 0,
    "xla_gpu_enable_while_loop_unrolling": "WHILE_LOOP_UNROLLING_DOUBLE_BUFFER",
    "xla_gpu_copy_insertion_use_region_analysis": True,
}


class Backend(NamedTuple):
    """What a program is compiled for; a static argument of it.

    Attributes:
        waits: Whether it may look at what it computes to decide what it does next. On a CPU
            that costs nothing. An accelerator is given its work in advance; there it is
            cheaper to do too much.
        precision: Of matrix products, as JAX calls it; None leaves it to JAX.
        kernels: Whether an algorithm's own kernels for a GPU may be used. They multiply in
            TF32; in float32 they are slower than what the compiler makes.
    """

    waits: bool
    precision: str | None
    kernels: bool = False

    @contextlib.contextmanager
    def tracing(self) -> Iterator[None]:
        """Within it, what is traced is made for this backend."""
        with lockstep.without_waiting(not self.waits), _multiplying(self.precision):
            yield


def backend_of(device: Any) -> Backend:
    """The backend of a device of JAX.

    Raises:
        ConfigurationError: If the environment variable for the precision is set wrongly.
    """
    if device.platform == "cpu":
        return Backend(waits=True, precision=None)
    precision = _precision()
    exact = {precision, jax.config.jax_default_matmul_precision} & _EXACT  # type: ignore[attr-defined]
    return Backend(False, precision, kernels=device.platform in _GPUS and not exact)


@contextlib.contextmanager
def precise() -> Iterator[None]:
    """Within it, programs for the default device multiply matrices as was asked for."""
    on_cpu = jax.default_backend() == "cpu"
    with _multiplying(None if on_cpu else _precision()):
        yield


def _precision() -> str | None:
    """The precision that was asked for; None if JAX itself was told."""
    if jax.config.jax_default_matmul_precision is not None:  # type: ignore[attr-defined]
        return None
    asked = os.environ.get(PRECISION_VARIABLE, "float32").lower()
    if asked not in _PRECISIONS:
        raise ConfigurationError(
            f"{PRECISION_VARIABLE} is {asked!r}; set it to 'float32', or to 'tf32', which is "
            "faster and keeps about three decimal digits of each product."
        )
    _log.info("matrix products in %s", asked)
    return _PRECISIONS[asked]


@contextlib.contextmanager
def _multiplying(precision: str | None) -> Iterator[None]:
    if precision is None:
        yield
        return
    with jax.default_matmul_precision(precision):
        yield
