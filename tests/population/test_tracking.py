"""What a population reports while it trains."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.problem import Problem
from arlbench.population.members import Keeping, MemberId, MemberProgress, MemberTask
from arlbench.population.tracking import Callbacks, Tracker
from probe_framework import walk
from small_populations import CONFIGS, TIMESTEPS, UNIFORM, train


def test_progress_is_told_and_can_stop_it(two_processes):
    seen, ended = [], []

    def on_progress(progress: Any) -> bool:
        seen.append(progress)
        return progress.members_done >= 2

    result = train(
        CONFIGS * 3, on_progress=on_progress, on_member=lambda member: ended.append(member.id)
    )
    assert result.interrupted
    assert 2 <= len(result.members) < 18
    assert [m.id for m in result.members] == sorted(ended)
    assert all(a.timesteps <= b.timesteps for a, b in itertools.pairwise(seen))
    assert seen[-1].members_total == 18
    # The workers are free again.
    assert not train(CONFIGS).interrupted


def test_members_tell_where_each_of_them_is(two_processes):
    seen = []
    result = train(on_progress=seen.append)
    last = seen[-1]
    assert last.timesteps == last.total_timesteps == 6 * TIMESTEPS
    assert sorted(last.members) == [member.id for member in result.members]
    for progress in seen:
        assert progress.timesteps == sum(m.timesteps for m in progress.members.values())
        for member, (timesteps, total, eval_rewards) in progress.members.items():
            assert total == TIMESTEPS
            n_done = len(eval_rewards)
            # An evaluation follows every 400 steps; it is reported at once or with the next report.
            assert 0 <= timesteps // 400 - n_done <= 1
            np.testing.assert_array_equal(eval_rewards, result.returns[member][:n_done])


def test_a_diverged_member_tells_only_of_finite_evaluations():
    seen = []
    (member,) = train(
        [{**UNIFORM, "learning_rate": 1e38}], [3], n_eval_steps=4, on_progress=seen.append
    ).members
    final = seen[-1].members[member.id]
    assert final.timesteps == member.diverged_at < final.total_timesteps == TIMESTEPS
    assert len(final.eval_rewards) == member.diverged_at // 200 - 1
    assert np.isfinite(final.eval_rewards).all()
    assert f"within the first {member.diverged_at} of 800 steps" in member.divergence


def test_totals_of_a_population_have_more_than_32_bits():
    n_members, timesteps = 4_096, 1_000_000
    lengths = Lengths.checked(timesteps, 1, 1)
    one = MemberTask(
        MemberId(0, 0), 0, Problem(walk()), {}, {}, lengths, None, 0, 1.0, timesteps, {}, None,
        Keeping(), None,
    )  # fmt: skip
    tasks = [one._replace(id=MemberId(i, 0)) for i in range(n_members)]
    seen: list[Any] = []
    tracker = Tracker(tasks, Callbacks(on_progress=seen.append))
    done = MemberProgress(timesteps, timesteps, np.zeros((1, 1)))
    tracker.on_progress_of({task.id: done for task in tasks})
    assert seen[-1].timesteps == seen[-1].total_timesteps == 4_096_000_000
