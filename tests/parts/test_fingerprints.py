"""What has changed since fits were made: the source of a network, the arrays of a data set."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.builders import build_results, build_study
from tune_app.data import Data
from tune_app.parts.fingerprints import (
    build_fingerprints,
    find_changes,
    find_closure,
    fingerprint_model,
    fingerprint_source,
)
from tune_app.records import RecordSet

SOURCE = '''"""A family."""

WIDTH = 3  # channels


def build(width: int = WIDTH) -> int:
    """A network."""
    return width * 2
'''


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("# channels", "# another comment", True),
        ('"""A network."""', '"""The same network, described otherwise."""', True),
        ("return width * 2", "return (width\n            * 2)", True),
        ("WIDTH = 3", "WIDTH = 4", False),
        ("width * 2", "width + 2", False),
    ],
)
def test_a_hash_follows_the_code_and_not_its_dress(tmp_path: Path, before: str, after: str, same: bool) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text(SOURCE)
    assert before in SOURCE
    other.write_text(SOURCE.replace(before, after))
    assert (fingerprint_source([one]) == fingerprint_source([other])) is same


def test_a_hash_is_the_same_on_every_python(tmp_path: Path) -> None:
    """3.12 and 3.13 each changed what a syntax tree shows of a function: a hash that followed them would call every
    network changed after an upgrade."""
    (tmp_path / "source.py").write_text(SOURCE)
    assert fingerprint_source([tmp_path / "source.py"]) == "07ca429b69cd619c"


def test_what_a_family_imports_of_its_neighbours_counts_directly_and_through_others(tmp_path: Path) -> None:
    sources = {
        "own": "from tune_app.models.blocks import block\nfrom torch import nn\n",
        "blocks": "import tune_app.models.layers\n",
        "layers": "from tune_app.models import sizes\nfrom tune_app.models.own import family\n",
        "sizes": "WIDTH = 3\n",
        "weights": "FORMAT = 1\n",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    found = [path.stem for path in find_closure(tmp_path / "own.py")]
    assert found == ["own", "blocks", "layers", "sizes"]


def test_the_members_of_a_family_share_their_source() -> None:
    assert fingerprint_model("vgg10") == fingerprint_model("vgg18") != fingerprint_model("cnn")


def test_one_pixel_and_one_label_change_a_data_set(digits: Data) -> None:
    images, labels = digits.inputs.copy(), digits.test_part.targets.copy()
    images[0, 0, 0, 0] += 1
    labels[0] = (labels[0] + 1) % 10
    changed = replace(digits.test_part, targets=labels)
    others = [replace(digits, inputs=images), replace(digits, test=changed)]
    assert len({digits.fingerprint, *(other.fingerprint for other in others)}) == 3
    assert replace(digits, inputs=np.asfortranarray(digits.inputs)).fingerprint == digits.fingerprint


def test_changes_are_named_with_the_fits_that_they_concern(digits: Data) -> None:
    study = build_study()
    specs = [trial.spec for trial in study.grid_trials()]
    plain = build_results(study, lambda spec, fold: 0.9).records
    assert find_changes(specs, plain, digits) == [], "earlier versions wrote no fingerprints"
    now = build_fingerprints(specs[0], digits)
    same = RecordSet(replace(record, fingerprints=now) for record in plain.folds.values())
    assert find_changes(specs, same, digits) == []
    same.add(replace(same.folds[specs[0].id, 0], fingerprints=now | {"model": "0" * 16}))
    same.add(replace(same.folds[specs[1].id, 1], fingerprints=now | {"data": "0" * 16}))
    assert [change.sentence for change in find_changes(specs, same, digits)] == [
        "model cnn has changed since 1 of its fits were made",
        "data set digits has changed since 1 of its fits were made",
    ]
    assert len(find_changes(specs, same)) == 1, "without the arrays, the networks alone"
