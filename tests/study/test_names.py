"""What trials are called where they are watched."""

from tests.builders import build_study
from tune_app.study.names import build_trial_names


def test_names_show_what_varies_in_the_studys_own_words_before_the_hash() -> None:
    grid = [
        {
            "model": "cnn",
            "width": 0.05,
            "regularizer": ["none", "batchnorm"],
            "folds": [3, 4],
            "learning_rate": [0.01, 0.001],
            "protocol": ["sound", "as-reported without carry-over"],
        }
    ]
    study = build_study(grid=grid, replicates=2)
    names = build_trial_names(study)
    assert len(set(names.values())) == len(names) == 32
    for trial in study.grid_trials():
        spec, name = trial.spec, names[trial.spec.id]
        assert name.startswith(f"cnn-{spec.regularizer}-folds={spec.folds}-")
        assert name.endswith(f"-learning_rate={spec.recipe.learning_rate:g}-r{spec.replicate}-{spec.id[-8:]}")
        assert "width" not in name
        assert "/" not in name
        assert " " not in name


def test_where_nothing_varies_the_model_and_the_hash_are_enough() -> None:
    study = build_study(grid=[{"model": "cnn", "folds": 3}])
    (trial,) = study.grid_trials()
    assert build_trial_names(study) == {trial.spec.id: f"cnn-{trial.spec.id[-8:]}"}
