"""What a study still lacks, what is taken over, and what has changed since its records were made."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tune_app.records import DAMAGED_FILE, RECORDS_FILE, Damaged, Record, RecordSet, RecordStore, read_records
from tune_app.records.environments import Environment, adopt
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec

CARRIED_FOLDER, CHECKPOINT_FOLDER = "carried", "checkpoints"  # below a study's records
HoldsBest = Callable[[str, RecordSet], bool]  # whether a trial's best network is on disk


def find_missing(
    specs: Iterable[TrialSpec], records: RecordSet, holds_best: HoldsBest | None = None
) -> dict[str, tuple[int, ...]]:
    """Trial → its folds without a completed record; with `holds_best`, all folds of a trial whose network is lost."""
    missing = {}
    for spec in specs:
        missing[spec.id] = records.missing_folds(spec.id, spec.folds)
        if holds_best and len(missing[spec.id]) < spec.folds and not holds_best(spec.id, records):
            missing[spec.id] = tuple(range(spec.folds))
    return missing


def find_new(origin: RecordSet, specs: Sequence[TrialSpec], known: RecordSet) -> list[Record]:
    """The records of completed folds in `origin` that `known` lacks, of the given trials."""
    return [
        record
        for record in origin.in_order(spec.id for spec in specs)
        if origin.is_completed(record.trial, record.fold) and not known.is_completed(record.trial, record.fold)
    ]


def take_over(
    store: RecordStore,
    origin: Results,
    specs: Sequence[TrialSpec],
    note: Callable[[Mapping[str, Environment]], None],
) -> int:
    """Append what `origin` has completed and the store lacks; the number of fits taken over.

    `note` is given the environments that they were made in, by the keys that they come with.
    """
    new, environments = adopt(find_new(origin.records, specs, store.records), origin.environment)
    if environments:
        note(environments)
    for record in new:
        store.append(record)
    return len({(record.trial, record.fold) for record in new})


def describe_damage(store: RecordStore, origin: Results | None) -> list[str]:
    """A sentence for each file that holds damaged lines; empty without any."""
    told = []
    if store.damaged:
        told.append(
            f"{store.path}: {spell_damaged(store.damaged)}. They are set aside in {DAMAGED_FILE}, and their folds run "
            "again."
        )
    if origin and origin.damaged:
        told.append(f"The results to continue from: {spell_damaged(origin.damaged)}. Their folds are not taken over.")
    return told


def spell_damaged(lines: Sequence[Damaged]) -> str:
    """`line 7 is damaged (its checksum is that of another text)`; of many lines the first three."""
    told = [f"{f'line {line.number}' if line.number else 'the last line'} ({line.reason})" for line in lines[:3]]
    more = f", and {len(lines) - 3} more" if len(lines) > 3 else ""
    return f"{len(lines)} damaged: {', '.join(told)}{more}"


def describe_changes(study: Study, specs: Sequence[TrialSpec], store: RecordStore) -> str:
    """A sentence on records that no longer match the study, and on the trials that are new; empty without any."""
    recorded = {trial for trial, _ in store.records.folds}
    foreign = recorded - {trial.spec.id for trial in study.grid_trials()}
    if not foreign:
        return ""
    new = [spec.id for spec in specs if spec.id not in recorded]
    named = f": {', '.join(new[:6])}{', …' if len(new) > 6 else ''}." if new else "."
    return (
        f"The study has changed: records of {len(foreign)} trials no longer match it and are left out of the tables "
        f"(kept in {store.path}); {len(new)} trials are new{named}"
    )


def peek_records(folder: Path | None, specs: Sequence[TrialSpec], origin: Results | None) -> RecordSet:
    """The records that a run will start from, read without touching anything; None for a run that starts over."""
    path = folder / RECORDS_FILE if folder else None
    known = read_records(path).records if path and path.exists() else RecordSet()
    for record in find_new(origin.records, specs, known) if origin else ():
        known.add(record)
    return known


def find_unkept(specs: Iterable[TrialSpec], records: RecordSet, holds_best: HoldsBest | None) -> tuple[str, ...]:
    """The complete trials whose best network is not on disk though it should be; none where none is kept."""
    whole = [spec.id for spec in specs if not records.missing_folds(spec.id, spec.folds)]
    return tuple(trial for trial in whole if holds_best and not holds_best(trial, records))


def clear_states(folder: Path) -> None:
    """Delete what interrupted fits of a study would go on from: nothing is left to resume."""
    for name in (CARRIED_FOLDER, CHECKPOINT_FOLDER):
        shutil.rmtree(folder / name, ignore_errors=True)
