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


OWN = """
import math
from typing import Literal

import layers
from torch import nn

SCALE = 2


class Net(nn.Module):
    pass


def build_net(norm: Literal["none", "batch"]):
    return Net() if norm == "none" else layers.wrap(Net(), SCALE)


def cost(targets, outputs):
    return math.fsum(targets)
"""
LAYERS = """
def wrap(net, scale):
    return _scale(net) if scale else net


def _scale(net):
    return net


def other():
    return 0
"""


@pytest.mark.parametrize(
    ("file", "before", "after", "same"),
    [
        ("nets.py", "math.fsum(targets)", "0.0", True),
        ("nets.py", "import math\n", "import math\nimport json\n", True),
        ("nets.py", "SCALE = 2\n", "SCALE = 2\nPRICE = 10\n", True),
        ("nets.py", "def cost(", "def price(targets, outputs):\n    return 0.0\n\n\ndef cost(", True),
        ("layers.py", "return 0", "return 1", True),
        ("nets.py", "    pass", "    depth = 3", False),
        ("nets.py", "SCALE = 2", "SCALE = 3", False),
        ("nets.py", "from torch import nn", "from own import nn", False),
        ("nets.py", "SCALE = 2\n", "SCALE = 2\nnn.register()\n", False),
        ("nets.py", "SCALE = 2\n", "SCALE = 2\nSEEN = nn.register()\n", False),
        ("nets.py", "def cost(", "@nn.register\ndef cost(", False),
        ("nets.py", "class Net(nn.Module):\n    pass", "class Net(nn.Module):\n    made = 'cost'", False),
        ("layers.py", "    return net\n", "    return net + 1\n", False),
    ],
)
def test_code_that_a_part_cannot_reach_does_not_count(
    tmp_path: Path, file: str, before: str, after: str, same: bool
) -> None:
    """A metric that is written into the file of a network is no change of the network."""
    texts = {"nets.py": OWN, "layers.py": LAYERS}
    assert before in texts[file]
    hashes: list[str] = []
    for contents in (texts, {**texts, file: texts[file].replace(before, after, 1)}):
        paths = [tmp_path / f"{len(hashes)}-{name}" for name in contents]
        for path, text in zip(paths, contents.values(), strict=True):
            path.write_text(text)
        hashes.append(fingerprint_source(paths, "build_net"))
    assert (hashes[0] == hashes[1]) is same


def test_all_code_counts_where_a_part_looks_things_up_by_name(tmp_path: Path) -> None:
    hashes: list[str] = []
    for result in ("0", "1"):
        source = tmp_path / f"nets{result}.py"
        source.write_text(
            f"def build(name):\n    return globals()['build_' + name]()\n\n\ndef build_a():\n    return {result}\n"
        )
        hashes.append(fingerprint_source([source], "build"))
    assert hashes[0] != hashes[1]
