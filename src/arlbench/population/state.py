"""Everything that a population needs for further training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arlbench.core import checkpoints
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.errors import CheckpointError, ConfigurationError
from arlbench.population.members import MemberId, PopulationResult


class PopulationState:
    """The states of members, by (configuration, seed) pairs of indices.

    Attributes:
        parts: For each member, its parts, as in a checkpoint.
    """

    def __init__(self, parts: Mapping[MemberId, Mapping[str, Any]]) -> None:
        self.parts = dict(parts)

    @classmethod
    def of(cls, result: PopulationResult) -> PopulationState:
        """The state from the result of a training run with ``keep_state=True``.

        Raises:
            ConfigurationError: If the result does not hold states.
        """
        if not result.has_states:
            raise ConfigurationError(
                "This result does not hold states; train the population with keep_state=True."
            )
        if not result.members:
            raise ConfigurationError("No member of this population has ended; train it to the end.")
        return cls({m.id: m.parts for m in result.members if m.parts is not None})

    def copy_members(self, sources: Mapping[tuple[int, int], tuple[int, int]]) -> PopulationState:
        """A population in which some members continue from what others have learnt.

        Args:
            sources: For each member to replace, the member that it becomes a copy of. The
                random key is copied too, so give the copies other hyperparameters.

        Raises:
            ConfigurationError: If a member does not exist.
        """
        for pair in (*sources, *sources.values()):
            if MemberId(*pair) not in self.parts:
                raise ConfigurationError(f"This population has no member {tuple(pair)}.")
        copies = {MemberId(*to): self.parts[MemberId(*of)] for to, of in sources.items()}
        return PopulationState({**self.parts, **copies})

    def save(self, path: str | Path) -> None:
        """Writes all members into a new folder, which is either complete or absent afterwards.

        Raises:
            CheckpointError: If the folder already exists or cannot be written.
        """
        trees = {_file_name(member): dict(parts) for member, parts in self.parts.items()}
        names = {_file_name(member): sorted(parts) for member, parts in self.parts.items()}
        checkpoints.write_checkpoint(Path(path), trees, {"members": names})

    @classmethod
    def load(cls, path: str | Path, algorithm: Algorithm) -> PopulationState:
        """Reads what :meth:`save` has written.

        Args:
            path: The folder.
            algorithm: An algorithm with the members' environment and network; its
                hyperparameters do not matter.

        Raises:
            CheckpointError: If it is damaged, or belongs to another environment or network.
        """
        template = algorithm.checkpoint_template()
        names = checkpoints.read_manifest(Path(path)).info.get("members")
        if names is None:
            raise CheckpointError(f"{path} is a checkpoint, but does not hold a population.")
        likes = {
            file: {part: template[part] for part in parts if part in template}
            for file, parts in names.items()
        }
        trees, _ = checkpoints.read_checkpoint(Path(path), likes)
        return cls({_member(file): checkpoints.on_host(parts) for file, parts in trees.items()})


def _file_name(member: MemberId) -> str:
    return f"member-{member.config_index}-{member.seed_index}"


def _member(file_name: str) -> MemberId:
    _, config_index, seed_index = file_name.split("-")
    return MemberId(int(config_index), int(seed_index))
