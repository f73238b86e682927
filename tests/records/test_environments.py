"""The environments that records name: keys, what an environment.json of any version says, and records that move."""

import json
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from tests.builders import fold_record
from tune_app.records import EpochRecord, FoldRecord, RecordSet, read_records
from tune_app.records.environments import (
    UNKNOWN,
    Environment,
    adopt,
    build_environments,
    build_key,
    describe_here,
    locate,
    mark,
)

COMMITTED = Path(__file__).parents[2] / "results"
HERE = describe_here("abc")
OTHER = {**HERE, "versions": {**HERE["versions"], "torch": "1.0.0"}}
THIRD = {**HERE, "processor": "another one"}
FOLD = fold_record("t", 0, 0.9)


def test_this_process_is_described_by_what_is_installed() -> None:
    versions = HERE["versions"]
    assert versions["python"] == platform.python_version()
    assert {name: versions[name] for name in ("torch", "numpy")} == {n: version(n) for n in ("torch", "numpy")}
    assert HERE["commit"] == "abc"
    assert HERE["host"] == platform.node()


def test_a_key_depends_on_what_scores_may_depend_on_and_on_nothing_else() -> None:
    assert build_key(HERE) == build_key({**HERE, "host": "elsewhere", "started": "another day"})
    assert len({build_key(each) for each in (HERE, OTHER, THIRD, describe_here("def"))}) == 4


def test_a_record_is_located_where_its_key_says() -> None:
    environments = build_environments({"environments": {build_key(each): each for each in (HERE, OTHER)}})
    record = mark(FOLD, OTHER)
    assert record == replace(FOLD, environment=build_key(OTHER))
    assert locate(record, environments) == (build_key(OTHER), (OTHER,))
    assert locate(record, {}) == (build_key(OTHER), ())


def test_a_record_without_a_key_has_the_one_environment_of_its_folder() -> None:
    key, candidates = locate(FOLD, build_environments({**HERE, "command": "tune-grid", "seed": 0}))
    assert key == build_key(HERE)
    assert [each["versions"] for each in candidates] == [HERE["versions"]]


def test_of_several_environments_it_is_unknown_which_a_record_without_a_key_had() -> None:
    key, candidates = locate(FOLD, build_environments({**HERE, "earlier": [OTHER, HERE, THIRD]}))
    assert key == UNKNOWN
    assert list(map(build_key, candidates)) == list(map(build_key, (HERE, OTHER, THIRD)))
    assert locate(FOLD, build_environments(None)) == (UNKNOWN, ())


def adopt_one(content: Environment) -> tuple[FoldRecord, dict[str, Environment]]:
    records, found = adopt([FOLD], content)
    return RecordSet(records).folds["t", 0], found


def test_records_without_a_key_get_one_when_they_leave_their_folder() -> None:
    adopted, found = adopt_one(HERE)
    assert adopted == replace(FOLD, environment=build_key(HERE))
    assert locate(adopted, found)[1][0]["versions"] == HERE["versions"]
    adopted, found = adopt_one({**HERE, "earlier": [OTHER]})
    assert str(adopted.environment).startswith("unknown-")
    assert [each["versions"] for each in locate(adopted, found)[1]] == [HERE["versions"], OTHER["versions"]]


def test_records_of_two_folders_that_name_several_environments_stay_apart() -> None:
    (one, first), (other, second) = (adopt_one({**HERE, "earlier": [each]}) for each in (OTHER, THIRD))
    found = first | second
    assert locate(one, found)[1] == locate(one, first)[1] != locate(other, second)[1]
    assert locate(other, found)[1] == locate(other, second)[1]
    assert adopt([one, other], {**THIRD, "environments": found}) == ([one, other], found)


def test_records_with_a_key_keep_it_and_epochs_have_none() -> None:
    epoch = EpochRecord("t", 0, 0, 1, {"train_loss": 1.0}, 0.001, 1.0, 10.0)
    known = {build_key(each): each for each in (HERE, OTHER)}
    records = [epoch, mark(FOLD, OTHER)]
    assert adopt(records, {**HERE, "environments": known}) == (records, {build_key(OTHER): OTHER})


def test_committed_records_are_located_in_what_their_folders_name() -> None:
    for study, torch in (("quick", {"2.15.0"}), ("audit", {"2.14.1", "2.15.0"})):
        content = json.loads((COMMITTED / study / "environment.json").read_text())
        records: RecordSet = read_records(COMMITTED / study / "records.jsonl")[0]
        candidates = locate(next(iter(records.folds.values())), build_environments(content))[1]
        assert {each["versions"]["torch"] for each in candidates} == torch
