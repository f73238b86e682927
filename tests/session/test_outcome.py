"""What is said at the end of what failed."""

from dataclasses import replace

from tests.builders import build_study, fold_record
from tune_app.session.outcome import name_fits


def test_fits_that_failed_alike_are_named_together_by_their_conditions() -> None:
    study = build_study()
    first, second = (trial.spec.id for trial in study.grid_trials())
    records = [fold_record(first, 0, None), fold_record(second, 2, None)]
    assert name_fits(records, study) == "no regularizer, fold 1/3; dropout+batchnorm, fold 3/3"


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    study = build_study(replicates=4)
    records = [
        replace(fold_record(trial.spec.id, fold, None), replicate=trial.spec.replicate)
        for trial in study.grid_trials()
        for fold in range(3)
    ]
    text = name_fits(records, study)
    assert text.startswith("no regularizer, replicate 1, fold 1/3; ")
    assert text.endswith(" and 18 more fits")
