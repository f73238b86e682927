"""A plan's table and its remarks: a row for each trial, or where these are many for each condition."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.table import Table

from tune_app.monitor.terminal import spell_seconds
from tune_app.plan import Forecast, PlannedTrial
from tune_app.plan.forecast import WORTHWHILE
from tune_app.plan.makespan import find_slots
from tune_app.plan.phases import Phases
from tune_app.session.calibrating import Place

HEADINGS = ("trial", "fits", "parameters", "training images", "CPUs", "GPUs", "engine", "memory", "about")
MANY = 60  # trials from which on the replicates of a condition, which cost the same, are one row
MOST_ROWS = 200


def build_rows(trials: Sequence[PlannedTrial]) -> tuple[list[tuple[str, ...]], int]:
    """The cells below `HEADINGS`, and how many trials have none."""
    if len(trials) <= MANY:
        return [spell_trial(trial) for trial in trials], 0
    groups = [list(group) for _, group in groupby(trials, _name_condition)]
    rows = [_spell_group(group) for group in groups[:MOST_ROWS]]
    return rows, sum(map(len, groups[MOST_ROWS:]))


def build_table(rows: Sequence[tuple[str, ...]]) -> Table:
    """The same for the terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in HEADINGS:
        is_id = heading == "trial"  # the one column that may wrap: a number cut off is no number
        table.add_column(heading, justify="left" if is_id else "right", no_wrap=not is_id, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def spell_trial(trial: PlannedTrial) -> tuple[str, ...]:
    """The cells of one trial."""
    return (trial.id, str(trial.fits), *_spell_costs(trial))


def _spell_group(group: Sequence[PlannedTrial]) -> tuple[str, ...]:
    first = group[0]
    if len(group) == 1:
        return spell_trial(first)
    return (f"{len(group):,} × {_name_condition(first)}", f"{len(group) * first.fits:,}", *_spell_costs(first))


def _spell_costs(trial: PlannedTrial) -> tuple[str, ...]:
    sizes = f"{trial.parameters:,}", f"{trial.train_images:,}"
    share = f"{trial.share.cpus:g}", f"{trial.share.gpus:g}", trial.engine
    memory = spell_bytes(trial.memory.total) if trial.memory else "unknown"
    return (*sizes, *share, memory, spell_seconds(trial.seconds * trial.fits))


def _name_condition(trial: PlannedTrial) -> str:
    """The trial's name without its replicate and its hash."""
    name = trial.name.rpartition("-")[0]
    return name.removesuffix(f"-r{trial.spec.replicate}")


def spell_bytes(count: float) -> str:
    """`310 MiB`, `1.4 GiB`."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def describe_phases(phases: Phases) -> str:
    """Of what the whole time consists."""
    start, fits, export = map(spell_seconds, phases.list().values())
    return f"Of it {start} are for the start, {fits} for the fits, {export} for tables and page."


def describe_forecast(forecast: Forecast, trials: Sequence[PlannedTrial]) -> Iterator[str]:
    """Sentences: the longest item, what would shorten the study, where the seconds and the data are from."""
    name, seconds = forecast.longest
    if len(trials) > 1 and seconds:
        yield f"The longest trial is {name}, about {spell_seconds(seconds)}."
    by_fold = forecast.makespan_by_fold
    if by_fold < WORTHWHILE * forecast.makespan:
        yield (
            f"With --shard fold it would take about {spell_seconds(by_fold)} instead of "
            f"{spell_seconds(forecast.makespan)}."
        )
    if forecast.free_replicates:
        more = forecast.free_replicates
        yield (
            f"{more} more replicate{'s' if more > 1 else ''} would end no later: {forecast.idle:.0%} of the time of "
            f"{forecast.slots} slots is idle."
        )
    on_host = sum(trial.data_on_host for trial in trials)
    if on_host:
        yield f"{on_host} trials leave their data set in the host's memory: their share of a GPU cannot hold it."
    if basis := describe_basis(trials):
        yield basis


def describe_basis(trials: Sequence[PlannedTrial]) -> str:
    """What the seconds of the trials are from; empty for none."""
    words = {"fits": "recorded fits", "step": "steps timed here", "estimate": "counted operations"}
    bases = [trial.basis for trial in trials if trial.shares_fits_of is None]
    told = [f"{word} ({bases.count(name):,} trials)" for name, word in words.items() if name in bases]
    return f"Seconds are from {', '.join(told)}." if told else ""


def find_cpu_limit(trials: Sequence[PlannedTrial], nodes: Sequence[Mapping[str, float]], place: Place) -> Iterator[str]:
    """A sentence for each share by which GPUs have room for more trials than there are cores for."""
    if place.serial or not place.use_gpus:
        return
    for cpus, gpus in dict.fromkeys((trial.share.cpus, trial.share.gpus) for trial in trials if trial.share.gpus):
        fed, held = find_slots(cpus, gpus, nodes), find_slots(0.0, gpus, nodes)
        if fed < held:
            yield (
                f"The GPUs hold {held} trials of {gpus:g} GPUs at once, and the cores allow {fed} of {cpus:g} CPUs; "
                "lower --cpus-per-trial or the entry's own share."
            )
