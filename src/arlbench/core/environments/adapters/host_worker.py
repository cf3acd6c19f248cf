"""The process that steps a share of the copies of an environment; see ``host_workers``."""

from __future__ import annotations

import contextlib
import sys
from multiprocessing.connection import Connection
from typing import Any

from arlbench.core.environments.adapters import gymnasium_adapter
from arlbench.core.environments.adapters.host import HostEnvironment
from arlbench.core.environments.adapters.host_calls import Begun, empty
from arlbench.core.environments.adapters.host_workers import Hire, Reset, Step
from arlbench.errors import ArlbenchError, EnvironmentFaultError


class _Share:
    """The copies of this process."""

    def __init__(self, hire: Hire) -> None:
        if hire.content is not None:
            gymnasium_adapter.adopt(hire.spec.name, hire.content)
        env = gymnasium_adapter.make(hire.spec)
        assert isinstance(env, HostEnvironment), "only single environments are stepped here"
        self._env = env
        self._env.first_copy = hire.first_copy
        self._begun: Begun | None = None
        self._n_steps = 0

    def answer(self, message: Reset | Step) -> tuple[Any, ...]:
        """The result of a message, whose parts are arrays ``[n_envs, ...]``."""
        if isinstance(message, Reset):
            if self._begun is not None:
                self._env.instances.release(self._begun.instance.tolist())
            begun = empty(self._env.reset_shapes)
            self._env.fill_reset(begun, message.seeds)
            self._begun, self._n_steps = begun, 0
            return (begun.obs,)
        assert self._begun is not None, "a reset comes before the first step"
        out = empty(self._env.step_shapes)
        clock = self._begun.clock + self._n_steps
        self._env.fill_step(out, self._begun.instance, clock, message.actions, message.seeds)
        self._n_steps += 1
        return tuple(out)


def main(connection: Connection) -> None:
    """Answers messages until the other end is closed."""
    with contextlib.suppress(EOFError, ConnectionError):
        share: _Share | ArlbenchError | None = None
        while True:
            message = connection.recv()
            try:
                if isinstance(message, Hire):
                    share = _Share(message)
                    continue
                answer: Any = share if share is None else _answered(share, message)
            except ArlbenchError as error:
                if isinstance(error, EnvironmentFaultError):
                    # Exceptions of the user's own classes cannot always be sent.
                    error.original = None
                if isinstance(message, Hire):
                    share = error
                    continue
                answer = error
            connection.send(answer)


def _answered(share: Any, message: Any) -> Any:
    """The answer, or the reason why the environment could not be made."""
    return share if isinstance(share, ArlbenchError) else share.answer(message)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
