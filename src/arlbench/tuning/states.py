"""The last states of trials, kept so that others can continue from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from arlbench.core import files
from arlbench.tuning.trials import Result

#: The folder of states, inside the folder of a study.
FOLDER = "states"


class States:
    """States of trials in a folder of limited size.

    Args:
        folder: The folder; it is made when a state is written.
        limit_bytes: How many bytes they may take.
    """

    def __init__(self, folder: Path, limit_bytes: float) -> None:
        self.folder = folder
        self._limit = limit_bytes
        self._bytes: dict[int, int] = {}
        files.remove_leftovers(folder)

    def path_of(self, number: int, seed_index: int) -> Path:
        """The path where a member of a trial leaves its state."""
        return self.folder / f"trial-{number:06d}" / f"seed-{seed_index}"

    def has(self, number: int, n_seeds: int) -> bool:
        """Whether a trial that has ended left a state with every seed."""
        return all(self.path_of(number, index).is_dir() for index in range(n_seeds))

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Removes the states of all other trials."""
        kept = {self.path_of(number, 0).parent for number in numbers}
        for folder in self.folder.glob("trial-*"):
            if folder not in kept:
                files.remove(folder)

    def bound(
        self,
        results: Mapping[int, Result],
        continuable: Collection[int] | None,
        needed: Collection[int] = (),
    ) -> None:
        """Removes states until the rest is within the limit.

        States that cannot be continued any more are removed first, then the worst.

        Args:
            results: The results of ended trials, by number.
            continuable: Trials that may still be continued; None means any of them.
            needed: Trials that are continued by trials in flight; their states stay.
        """
        kept = [number for number in self._kept(results) if number not in needed]
        used = sum(map(self._size, self._kept(results)))
        for number in removal_order(kept, results, continuable):
            if used <= self._limit:
                break
            used -= self._size(number)
            self._remove(number)

    def _kept(self, results: Iterable[int]) -> list[int]:
        return [number for number in results if self.path_of(number, 0).parent.is_dir()]

    def _size(self, number: int) -> int:
        if number not in self._bytes:
            folder = self.path_of(number, 0).parent
            each = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
            self._bytes[number] = sum(each)
        return self._bytes[number]

    def _remove(self, number: int) -> None:
        folder = self.path_of(number, 0).parent
        aside = files.aside(folder, "old")
        files.remove(aside)
        folder.rename(aside)
        files.remove(aside)
        del self._bytes[number]


def removal_order(
    numbers: Iterable[int], results: Mapping[int, Result], continuable: Collection[int] | None
) -> list[int]:
    """Trials in the order in which their states are removed."""

    def rank(number: int) -> tuple[bool, float, int]:
        useful = continuable is None or number in continuable
        return useful, results[number].score, number

    return sorted(numbers, key=rank)
