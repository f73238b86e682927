"""Protocols: one spelling for each set of defects, read in any."""

import itertools
from pathlib import Path

import pytest

from tests.builders import RATES, write_study_file
from tune_app.errors import StudyError
from tune_app.plan import Shares, build_plan
from tune_app.study.file import read_study
from tune_app.study.protocol import DEFECTS, applies, build_protocol, spell_protocol
from tune_app.study.selection import parse_only


@pytest.mark.parametrize("regularizer", ["none", "dropout", "batchnorm", "dropout+batchnorm"])
def test_a_protocol_is_spelled_as_it_is_read(regularizer: str) -> None:
    applicable = [defect for defect in DEFECTS if applies(defect, regularizer)]
    for size in range(len(applicable) + 1):
        for protocol in itertools.combinations(sorted(applicable), size):
            assert build_protocol(spell_protocol(protocol, regularizer), regularizer) == protocol


def test_as_reported_means_the_defects_that_apply() -> None:
    assert build_protocol("as-reported", "none") == ("carry-over", "last-batch-accuracy", "test-normalisation")
    assert len(build_protocol("as-reported", "batchnorm")) == 6


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
