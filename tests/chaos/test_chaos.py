"""Some of the faults of `make chaos`: the same command, run again, ends with the tables of an undisturbed run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.lab import hold_folder
from tests.chaos.rounds import build_tables, run_round

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CHOSEN = (
    ("the driver is killed in the export", "inline"),
    ("a bit of the records flips", "inline"),
    ("a trial's process is killed", "ray"),
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with hold_folder() as found:
        yield found


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, str]:
    return build_tables(folder)


@pytest.mark.parametrize("kind", CHOSEN, ids=lambda kind: kind[0])
def test_a_study_survives(kind: tuple[str, str], folder: Path, tables: dict[str, str]) -> None:
    seed = next(place for place, fault in enumerate(FAULTS) if (fault.name, fault.where) == kind)
    found = run_round(seed, tables, folder)
    if found.skipped:
        pytest.skip(found.skipped)
    assert not found.problems
    assert found.identical
    assert found.second == 0


def test_every_fault_has_a_seed_of_the_long_run() -> None:
    assert len(FAULTS) <= 50
    assert len({(fault.name, fault.where) for fault in FAULTS}) == len(FAULTS)
