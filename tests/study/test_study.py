"""Studies: what they multiply out to, and what is refused."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.builders import RATES, build_study, plan_of, study_content, write_study_file
from tune_app.errors import ResourceError, StudyError
from tune_app.parts.catalog import build_catalog
from tune_app.plan import Shares, build_plan, check_shares
from tune_app.study.file import build_yaml, find_study_file, read_study
from tune_app.study.protocol import DEFECTS, applies, build_protocol, spell_protocol
from tune_app.study.selection import parse_only


def problems_of(tmp_path: Path, **changes: object) -> tuple[str, ...]:
    with pytest.raises(StudyError) as caught:
        read_study(write_study_file(tmp_path, **changes), catalog=build_catalog())
    return caught.value.problems


@pytest.mark.parametrize("name", ["quick", "report"])
def test_the_shipped_studies_have_the_reports_twelve_conditions(name: str) -> None:
    study = read_study(find_study_file(name), catalog=build_catalog())
    specs = [trial.spec for trial in study.grid_trials()]
    conditions = {(s.model, s.regularizer, s.folds) for s in specs}
    assert len(conditions) == 12
    assert sum(folds for *_, folds in conditions) == 72
    assert {(s.model, s.regularizer, s.folds) for s in specs if s.model == "cnn"} == {
        ("cnn", regularizer, folds)
        for regularizer in ("none", "dropout", "batchnorm", "dropout+batchnorm")
        for folds in (4, 10)
    }


def test_reordering_a_study_changes_no_id() -> None:
    grid = [{"model": "cnn", "folds": [3, 4]}, {"model": "vgg10", "width": 0.02, "folds": 3}]
    forward, backward = build_study(grid=grid), build_study(grid=grid[::-1])
    assert {t.spec.id for t in forward.grid_trials()} == {t.spec.id for t in backward.grid_trials()}


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"recipe": {"epochs": 2, "batch_size": 20}},
        {"data": {"name": "digits", "train_images": 121, "test_images": 60}},
        {"splitter": "stratified"},
        {"grid": [{"model": "cnn", "width": 0.06, "regularizer": ["none", "dropout+batchnorm"], "folds": 3}]},
    ],
)
def test_whatever_changes_the_scores_changes_the_id(changes: dict[str, object]) -> None:
    ids = {trial.spec.id for trial in build_study().grid_trials()}
    assert not ids & {trial.spec.id for trial in build_study(**changes).grid_trials()}


def test_a_share_a_title_or_more_replicates_keep_the_ids() -> None:
    entry = study_content()["grid"][0] | {"cpus_per_trial": 0.5}
    more = build_study(title="Other", replicates=2, grid=[entry])
    assert {t.spec.id for t in build_study().grid_trials()} < {t.spec.id for t in more.grid_trials()}


def test_a_study_written_out_reads_back_the_same(tmp_path: Path) -> None:
    study = build_study(title="Größe & <b>")
    (tmp_path / "again.yaml").write_text(build_yaml(study))
    assert read_study(tmp_path / "again.yaml") == study


def test_studies_are_frozen() -> None:
    with pytest.raises(ValidationError):
        build_study().recipe.epochs = 3  # type: ignore[misc]


def test_a_level_of_the_recipe_can_vary_in_the_grid() -> None:
    study = build_study(grid=[{"model": "cnn", "folds": 3, "learning_rate": [0.1, 0.01], "batch_size": 10}])
    assert [t.spec.recipe.learning_rate for t in study.grid_trials()] == [0.1, 0.01]
    assert study.varying_factors() == ("learning_rate",)


def test_all_errors_of_a_study_come_at_once_with_place_and_remedy(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path,
        sed=3,
        data={"name": "digit"},
        recipe={"epochs": 0, "learning_rate": -1, "precision": "fp33"},
        grid=[{"model": ["cnn", "vgg11"], "folds": 1}],
    )
    text = "\n".join(problems)
    for part in (
        "unknown key 'sed'; did you mean 'seed'?",
        "data.name: unknown data set 'digit'; did you mean 'digits'? choose from mnist,",
        "recipe.epochs: must be greater than or equal to 1, got 0",
        "recipe.learning_rate: must be greater than 0, got -1",
        "recipe: unknown precision 'fp33'",
        "grid, entry 1: model: unknown model 'vgg11'",
        "choose from cnn, vgg10, vgg12, vgg15, vgg18",
        "grid, entry 1: folds: must be greater than or equal to 2, got 1",
    ):
        assert part in text
    assert len(problems) == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": {"name": "digits", "train_images": 2000}},
            "data.train_images: 2000 images asked for, digits has 1437",
        ),
        ({"data": {"name": "digits", "test_images": 361}}, "digits has 360; choose 1 to 360"),
        ({"grid": [{"model": "cnn", "folds": 121}]}, "121 folds of 120 training images; choose 2 to 120"),
        ({"grid": [{"model": "cnn", "folds": [4, 4]}]}, "level 4 is listed twice"),
        ({"grid": [{"model": "cnn"}, {"model": "cnn"}]}, "entries 1 and 2 both ask for cnn-none-k4-r0"),
        ({"grid": []}, "grid: it has no entry; add one"),
        ({"baseline": {"model": "vgg10"}}, "baseline: model vgg10 is not in the grid; choose from cnn"),
        ({"name": "../up"}, "must be 1 to 64 letters"),
        ({"seed": True}, "a number is needed, not true"),
        ({"recipe": {"batch_size": "many"}}, "recipe.batch_size: must be a valid integer"),
        ({"grid": [{"model": "cnn", "cpus_per_trial": -1}]}, "cpus_per_trial: must be greater than or equal to 0"),
    ],
)
def test_bad_studies_are_refused_with_the_rule_and_the_value(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    assert any(message in problem for problem in problems_of(tmp_path, **changes))


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(f"name: !!python/object/apply:os.system ['touch {tmp_path}/hit']\n")
    with pytest.raises(StudyError, match="not plain YAML"):
        read_study(path)
    assert not (tmp_path / "hit").exists()


def test_overrides_reach_every_section(tmp_path: Path) -> None:
    overrides = ["recipe.epochs=4", "data.train_images=50", "grid.0.folds=[2, 5]", "replicates=2"]
    study = read_study(write_study_file(tmp_path), overrides, build_catalog())
    assert (study.recipe.epochs, study.data.train_images, study.replicates) == (4, 50, 2)
    assert study.grid[0].named("folds") == (2, 5)


@pytest.mark.parametrize("override", ["epochs", "recipe.epoch=1", "recipe.epochs=[", "grid.9.folds=3", "a.b=1", "=1"])
def test_bad_overrides_are_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(StudyError):
        read_study(write_study_file(tmp_path), [override], build_catalog())


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(StudyError, match="unknown study 'quik'; did you mean 'quick'"):
        find_study_file("quik")


def test_the_plan_has_the_longest_trial_first() -> None:
    """Not the one with most nominal operations: those of dropout are the same, yet it keeps the large layers apart."""
    plan = plan_of(build_study(grid=[{"model": "cnn", "regularizer": ["none", "dropout"], "folds": [3, 5]}]))
    assert plan[0].spec.regularizer == "dropout"
    assert plan[0].flops == next(t.flops for t in plan if (t.spec.regularizer, t.spec.folds) == ("none", 5))
    seconds = [trial.seconds * trial.fits for trial in plan]
    assert seconds == sorted(seconds, reverse=True)
    assert all(0 < each < float("inf") for each in seconds)


def test_only_selects_by_factor_and_level() -> None:
    study = build_study(grid=[{"model": "cnn", "width": [0.05, 0.5], "folds": [3, 5]}])
    plan = build_plan(study, Shares(), RATES, parse_only("width=.5,folds=3"))
    assert [(t.spec.width, t.spec.folds) for t in plan] == [(0.5, 3)]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("modle=cnn", "unknown factor 'modle'; did you mean 'model'"),
        ("model", "write factor=level"),
        ("model=cnm", "model 'cnm' is not in the grid; did you mean 'cnn'"),
        ("folds=7", "folds '7' is not in the grid"),
    ],
)
def test_a_selection_of_nothing_is_refused(only: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build_plan(build_study(), Shares(), RATES, parse_only(only))


def test_the_shares_of_a_grid_entry_win() -> None:
    entry = study_content()["grid"][0] | {"cpus_per_trial": 0.25}
    assert {trial.share.cpus for trial in plan_of(build_study(grid=[entry]), Shares(cpus=2))} == {0.25}


def test_a_share_that_no_node_has_is_refused_with_the_nodes_capacity() -> None:
    plan = plan_of(build_study(), Shares(cpus=1, gpus=0.5))
    with pytest.raises(ResourceError, match=r"asks for 1 CPUs and 0.5 GPUs.*nodes have 8 CPUs and 0 GPUs; 0.2 CPUs"):
        check_shares(plan, [{"CPU": 8}, {"CPU": 0.2, "GPU": 4}])


def test_a_shipped_study_is_named_after_its_file() -> None:
    for path in Path(find_study_file("quick")).parent.glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["name"] == path.stem


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"protocol": "replica-statistics"}, r"'replica-statistics' with regularizer none: .* changes nothing there"),
        (
            {"protocol": "test-skips-layers"},
            r"with regularizer none: test-skips-layers changes nothing there; leave it",
        ),
        (
            {"protocol": "as-reported without replica-statistics", "regularizer": "dropout"},
            "replica-statistics changes",
        ),
        ({"protocol": "carryover"}, r"unknown defect 'carryover'; write sound, as-reported, .* the defects are carry-"),
        (
            {"protocol": "replica-statistics", "regularizer": "batchnorm", "batch_slices": 3},
            "3 slices do not divide a batch of 20 images; choose batch_slices that do",
        ),
        (
            {"protocol": "carry-over", "engine": "stacked"},
            "engine stacked trains by sound protocol only, not with carry",
        ),
        ({"replicas": [1, 4]}, "batch_slices 1, 4: no condition there has the defect replica-statistics"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(tmp_path: Path, entry: dict[str, Any], problem: str) -> None:
    problems = problems_of(tmp_path, grid=[{"model": "cnn", "folds": 3} | entry])
    assert re.search(problem, "\n".join(problems)), problems


@pytest.mark.parametrize("regularizer", ["none", "dropout", "batchnorm", "dropout+batchnorm"])
def test_a_protocol_is_spelled_as_it_is_read(regularizer: str) -> None:
    applicable = [defect for defect in DEFECTS if applies(defect, regularizer)]
    for size in range(len(applicable) + 1):
        for protocol in itertools.combinations(sorted(applicable), size):
            assert build_protocol(spell_protocol(protocol, regularizer), regularizer) == protocol


def test_as_reported_means_the_defects_that_apply() -> None:
    assert build_protocol("as-reported", "none") == ("carry-over", "last-batch-accuracy", "test-normalisation")
    assert len(build_protocol("as-reported", "batchnorm")) == 6


def test_the_sound_protocol_leaves_ids_as_they_were() -> None:
    """The id that these records had before there were protocols."""
    study = read_study(find_study_file("quick"))
    assert study.grid_trials()[0].spec.id == "cnn-none-k4-r0-e650441d"


def test_trials_that_differ_in_the_test_alone_share_their_fits() -> None:
    levels = ["sound", "test-normalisation", "carry-over", "carry-over+test-normalisation"]
    plan = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": 3, "protocol": levels}]))
    shared = {trial.spec.condition["protocol"]: trial.shares_fits_of for trial in plan}
    ids = {trial.spec.condition["protocol"]: trial.id for trial in plan}
    assert shared["sound"] is None
    assert shared["carry-over"] is None
    assert shared["test-normalisation"] == ids["sound"]
    assert shared[plan[-1].spec.condition["protocol"]] in (ids["sound"], ids["carry-over"])
    assert sum(trial.seconds > 0 for trial in plan) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "the key 'name' is given twice"),
        ("name: a\ngrid:\n  - {model: cnn, folds: 4, folds: 10}\n", "the key 'folds' is given twice in .* line 3"),
        ("name: 2024-13-45\n", "is not plain YAML: month must be in"),
    ],
)
def test_yaml_that_says_two_things_or_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=message):
        read_study(path)


@pytest.mark.parametrize("override", ["grid.².folds=3", "seed=2024-13-45", "recipe={epochs: 1, epochs: 2}"])
def test_an_odd_override_is_refused_with_its_text(tmp_path: Path, override: str) -> None:
    with pytest.raises(StudyError, match=f"--set {re.escape(override)}"):
        read_study(write_study_file(tmp_path), [override])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicates": 10**9}, "replicates: must be less than or equal to 1000"),
        ({"recipe": {"epochs": 10**9}}, "recipe.epochs: must be less than or equal to 100000"),
        ({"grid": [{"model": "cnn", "width": 1e9}]}, "width: must be less than or equal to 64"),
        (
            {"grid": [{"model": "cnn", "folds": [*range(2, 401)], "batch_size": [*range(1, 400)]}]},
            "it asks for 159,201 trials, at most 100,000 are planned",
        ),
    ],
)
def test_a_slip_of_the_finger_is_an_error_at_once(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_study(write_study_file(tmp_path, **changes))
    assert message in "\n".join(caught.value.problems)


PROTOCOLS = [{"model": "cnn", "regularizer": ["none", "batchnorm"], "folds": 3, "protocol": ["sound", "as-reported"]}]


def test_a_protocol_may_be_named_in_any_spelling(tmp_path: Path) -> None:
    """Under `none` as-reported has no more than these three defects."""
    spelling = "test-normalisation+last-batch-accuracy+carry-over"
    claim = {"sentence": "s", "levels": {"regularizer": "none", "protocol": spelling}, "against": {"protocol": "sound"}}
    baseline = {"regularizer": "none", "protocol": spelling}
    path = write_study_file(tmp_path, grid=PROTOCOLS, baseline=baseline, claims=[claim | {"expect": "lower"}])
    study = read_study(path)
    ((first, second),) = study.claim_pairs(study.claims[0])
    assert (first[0].condition["protocol"], second[0].condition["protocol"]) == ("as-reported", "sound")
    plan = build_plan(study, Shares(), RATES, parse_only(f"protocol={spelling}"))
    assert [(t.spec.regularizer, t.spec.condition["protocol"]) for t in plan] == [("none", "as-reported")]
    with pytest.raises(StudyError, match="--only protocol=carry: unknown defect 'carry'"):
        parse_only("protocol=carry")


def test_numbers_of_replicas_make_one_condition_where_nothing_is_sliced() -> None:
    entry = {"model": "cnn", "regularizer": "batchnorm", "folds": 3, "replicas": [1, 4]}
    study = build_study(grid=[entry | {"protocol": ["sound", "replica-statistics"]}])
    found = [(specs[0].condition["protocol"], specs[0].batch_slices) for specs in study.conditions()]
    assert found == [("sound", 1), ("replica-statistics", 1), ("replica-statistics", 4)]


@pytest.mark.parametrize("only", ["", "model=cnn,model=vgg10"])
def test_an_empty_or_repeated_part_is_refused(only: str) -> None:
    with pytest.raises(StudyError, match="--only"):
        parse_only(only)


@pytest.mark.parametrize(("cpus", "gpus"), [(0, 0), (0.00001, 0), (1, 0.00001)])
def test_a_share_of_nothing_is_refused(cpus: float, gpus: float) -> None:
    with pytest.raises(ResourceError, match=r"it needs a share of one of them, at least 0\.001"):
        check_shares(plan_of(build_study(), Shares(cpus, gpus)), [{"CPU": 2, "GPU": 1}])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": {"folds": "3"}}, "claims, entry 1: folds '3' is text where the grid has a number"),
        ({"levels": {"folds": None}}, "claims, entry 1: levels: folds: a level is a name or a number, not None"),
        ({"levels": {"folds": True}}, "claims, entry 1: levels: folds: a level is a name or a number, not True"),
        ({3: 4}, "claims, entry 1: the key 3 is no name; keys are sentence, metric"),
    ],
)
def test_levels_and_keys_of_the_wrong_type_are_one_line_each(
    tmp_path: Path, changes: dict[Any, Any], message: str
) -> None:
    claim: dict[Any, Any] = {"sentence": "s", "levels": {"folds": 3}, "against": {"folds": 3}, "expect": "higher"}
    problems = problems_of(tmp_path, claims=[claim | changes])
    assert [problem for problem in problems if problem.startswith(message)], problems
    assert len(problems) == 1


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"is a folder; give the path of a \.yaml file in it"):
        find_study_file(str(tmp_path))
