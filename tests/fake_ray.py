"""A stand-in for Ray: actors are objects of this process, which can be killed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class ActorError(Exception):
    """The call of an actor that is dead."""


class Actor:
    """An object that stands for an actor; a dead one does not answer.

    Attributes:
        dead: Whether it is.
        n_tasks: Tasks that it was sent.
    """

    def __init__(self, inner: Any, on_call: Callable[[Actor, str], None]) -> None:
        self.dead = False
        self.n_tasks = 0
        self._inner = inner
        self._on_call = on_call

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Callable[[], Any]:
            def result() -> Any:
                self.n_tasks += name == "exchange" and arguments[0] is not None
                self._on_call(self, name)
                if self.dead:
                    raise ActorError
                return getattr(self._inner, name)(*arguments)

            return result

        return SimpleNamespace(remote=remote)


class FakeRay:
    """The part of Ray's module that is used.

    Args:
        n_cores: Cores of the cluster.
        on_call: Called before each call of an actor, with the method's name; may kill it.
        n_places: How many actors there is room for, now and later; the others never start.

    Attributes:
        actors: All that have started, in order.
    """

    exceptions = SimpleNamespace(RayError=ActorError)

    def __init__(
        self,
        n_cores: int = 2,
        on_call: Callable[[Actor, str], None] = lambda *_: None,
        n_places: int = 100,
    ) -> None:
        self.actors: list[Actor] = []
        self._n_cores, self._on_call, self._n_places = n_cores, on_call, n_places
        self._n_asked = 0

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self._n_cores)}

    def remote(self, kind: Any) -> Any:
        def start(*arguments: Any) -> Any:
            self._n_asked += 1
            if self._n_asked > self._n_places:
                return SimpleNamespace(start=SimpleNamespace(remote=lambda: None))
            actor = Actor(kind(*arguments), self._on_call)
            self.actors.append(actor)
            return actor

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=start))

    def get(self, result: Callable[[], Any]) -> Any:
        return result()

    def wait(self, results: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return [result for result in results if result is not None], []

    def kill(self, actor: Any) -> None:
        actor.dead = True
