"""A study beside a user's own `models` package and `data.py`: they are imported, never ours, here and in actors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.builders import study_content

ROOT = Path(__file__).parents[2]
# What a user may write: an executor called with a function of their own file, which imports their own modules.
RUN = """
import sys

import data
import models
import tune_app
from tune_app.data import load_dataset
from tune_app.executors.inline import run_inline
from tune_app.plan import WorkItem
from tune_app.trial import run_trial


class Fits(tune_app.Callback):
    def __init__(self):
        self.completed = 0

    def record(self, record):
        import models

        assert models.MINE == 1
        self.completed += isinstance(record, tune_app.FoldRecord) and record.status == "completed"


def run_with_mine(spec, dataset, **options):
    import data
    import models
    import tune_app.data
    import tune_app.models

    assert (models.MINE, data.MINE) == (1, 2), "the user's names are the user's"
    assert "cnn" in tune_app.models.MODELS and "digits" in tune_app.data.DATASETS
    yield from run_trial(spec, dataset, **options)


def main(executor):
    assert (models.MINE, data.MINE) == (1, 2)
    study = tune_app.read_study("study.yaml")
    work = [WorkItem(trial, tuple(range(trial.fits))) for trial in tune_app.build_plan(study, device="cpu")]
    own = Fits()
    if executor == "ray":
        from tune_app.executors.ray import run_on_ray, start_ray, stop_ray

        start_ray(include_dashboard=False)
        run_on_ray(work, load_dataset("digits"), own, device="cpu", run=run_with_mine)
        stop_ray()
    else:
        run_inline(work, load_dataset("digits"), own, device="cpu", run=run_with_mine)
    assert own.completed == 6

    callback = Fits()
    results = tune_app.run_study(study, executor="inline", device="cpu", progress=False, callbacks=[callback])
    assert callback.completed == len(results.folds) == 6
    print("mine:", models.MINE, data.MINE)


if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """The user's folder; beside it a folder that holds nothing but the package, as a site-packages does."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tune_app").symlink_to(ROOT / "tune_app", target_is_directory=True)
    folder = tmp_path / "mine"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "__init__.py").write_text("MINE = 1\n")
    (folder / "data.py").write_text("MINE = 2\n")
    (folder / "study.yaml").write_text(yaml.safe_dump(study_content()))
    (folder / "run.py").write_text(RUN)
    return folder


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the user's folder; of the checkout it sees the package alone."""
    environment = os.environ | {"PYTHONPATH": str(folder.parent / "site"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_users_import_their_own_models_and_data_here_and_in_actors(users: Path, executor: str) -> None:
    done = call(users, "run.py", executor)
    assert done.returncode == 0, done.stderr
    assert "mine: 1 2" in done.stdout
    assert (users / "results" / "small" / "index.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_the_command_never_imports_the_models_and_data_of_a_user(users: Path, executor: str) -> None:
    for path in (users / "models" / "__init__.py", users / "data.py"):
        path.write_text("raise RuntimeError('this is the business of its user')\n")
    done = call(users, "-m", "tune_app.grid", "study.yaml", "--executor", executor, "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "business" not in done.stdout + done.stderr
    assert (users / "results" / "small" / "index.html").is_file()
