"""A study is mirrored into Optuna on a real PostgreSQL server, which the test starts."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from arlbench.errors import StorageError
from arlbench.tuning.optuna_mirror import export
from fake_studies import FakePopulation, study

pytestmark = pytest.mark.stress

optuna = pytest.importorskip("optuna")
pytest.importorskip("psycopg", reason="the driver of PostgreSQL, psycopg, is not installed")

# Debian's package does not put its programs on the path.
PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


def program(name: str) -> str:
    """The path of one of the server's programs."""
    path = os.pathsep.join([*map(str, PLACES), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian's package is called postgresql)")
    return found


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server's database; the server refuses to run as root."""
    data = tmp_path_factory.mktemp("postgresql") / "data"
    user = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        for folder in (data.parent, *data.parent.parents[:2]):
            os.chmod(folder, 0o755)
        os.chown(data.parent, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*words: str | Path) -> None:
        subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd="/", **user)

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -F"
    run(program("initdb"), "-D", data, "-U", "arlbench", "--auth=trust", "--no-sync")
    control = program("pg_ctl")
    run(control, "-D", data, "-w", "-l", data.parent / "log", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://arlbench@127.0.0.1:{port}/postgres"
    finally:
        run(control, "-D", data, "-m", "immediate", "stop")


def trials_in(url: str, name: str) -> list:
    storage = optuna.storages.RDBStorage(url)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    return trials


def test_a_storage_follows_a_study_that_is_stopped_and_continued(
    server: str, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    study(folder, train=FakePopulation(stop_after=9), optuna_storage=server)
    assert len(trials_in(server, "study")) == 4
    outcome = study(folder, optuna_storage=server)
    there = trials_in(server, "study")
    assert [trial.user_attrs["number"] for trial in there] == list(range(8))
    for trial, result in zip(there, outcome.results, strict=True):
        # Inactive hyperparameters are left out there.
        assert {"learning_rate", "use_target_network"} <= trial.params.keys()
        for name, value in trial.params.items():
            assert value == pytest.approx(result.trial.config[name])
        if result.status == "diverged":
            assert trial.state == optuna.trial.TrialState.FAIL
        else:
            assert trial.value == pytest.approx(result.score)
            assert list(trial.intermediate_values) == result.timesteps.tolist()


def test_a_study_is_exported_once(server: str, tmp_path: Path) -> None:
    study(tmp_path / "study", "hyperband", n_trials=22, parallel=64)
    assert export(tmp_path / "study", server, "mine") == 22
    assert export(tmp_path / "study", server, "mine") == 22
    assert len(trials_in(server, "mine")) == 22


def test_a_server_that_does_not_answer_is_one_sentence(server: str, tmp_path: Path) -> None:
    study(tmp_path / "study")
    with pytest.raises(StorageError, match="cannot be used"):
        export(tmp_path / "study", server.replace("/postgres", "/nowhere"))
