"""A study run on until its claims are decided: looks, further replicates for what is open, looks again."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tune_app.analysis.looking import MOST, begin_looks, take_looks
from tune_app.analysis.looks import Looks, parse_looks
from tune_app.analysis.outlook import read_seconds
from tune_app.analysis.rounds import Round, choose_round
from tune_app.errors import StudyError
from tune_app.export.figures.titles import spell_label
from tune_app.monitor import Callback
from tune_app.monitor.terminal import spell_seconds
from tune_app.records import RECORDS_FILE, Record, RecordSet, read_records
from tune_app.records.results import LOOKS_FILE
from tune_app.records.results import Results as StoredResults
from tune_app.session.environment import count_cpus
from tune_app.session.kept import extend_study, find_looks, write_looks
from tune_app.session.options import RunOptions
from tune_app.session.resume import find_missing
from tune_app.study import Study, has_levels
from tune_app.study.more import join_more

if TYPE_CHECKING:
    from tune_app.session.outcome import Outcome
    from tune_app.session.planning import Plan
    from tune_app.session.session import Session

COUNTED_EVERY = 10.0  # seconds: what a kill gives back of the budget at most, beside the fits that it breaks off


def run_until_decided(session: "Session") -> "Outcome":
    """Run the study, then more replicates of what its open claims need, until none is open or the budget is spent.

    An interrupt leaves looks and records on disk, and the same command goes on where it was. Raises StudyError for a
    study without claims, or with another last look than the one that earlier looks were planned for.
    """
    return _Course(session, _find_course(session)).run()


def describe_course(session: "Session", plan: "Plan") -> str:
    """After how many replicates the claims are looked at, what has come of it, and how far the budget goes."""
    looks = _find_course(session)
    told = [f"The claims are looked at after {', '.join(map(str, looks.schedule.looks))} replicates."]
    told += [f"{_count(looks)}."] if looks.taken else []
    return " ".join([*told, *_describe_budget(session, plan, looks)])


def _describe_budget(session: "Session", plan: "Plan", looks: Looks) -> list[str]:
    budget, study = session.options.budget, session.study
    claims = [claim for claim, path in zip(study.claims, looks.paths, strict=True) if path.is_open]
    conditions = {side[0].id for claim in claims for pair in study.claim_pairs(claim) for side in pair}
    core_seconds = read_seconds(plan.build_frame())
    seconds = sum(core_seconds.get(name, 0.0) for name in conditions) / _count_slots(session.options)
    if budget is None or not seconds:
        return []
    count, last = int((budget - looks.seconds) / seconds), looks.most - looks.first
    reach = f"allows {max(0, count)}{' more' if looks.seconds else ''}" if count < last else "is enough for all looks"
    told = [
        f"One more replicate of all that open claims compare takes about {spell_seconds(seconds)}; the budget of "
        f"{spell_seconds(budget)} {reach}."
    ]
    if 0 < count < last and not looks.taken and session.options.max_replicates is None:
        told.append(
            f"--max-replicates {looks.first + count} plans the last look there instead of at {looks.most}, which makes "
            "the intervals of all looks narrower."
        )
    return told


def _find_course(session: "Session") -> Looks:
    """The looks so far, or the first ones; a new family of claims if the study's have changed."""
    study, options = session.study, session.options
    if not study.claims:
        raise StudyError("--until-decided: the study makes no claim; add one under claims, or leave the option out")
    text = find_looks(session)
    fresh = begin_looks(study, options.max_replicates or MOST)
    if not text:
        return fresh
    looks = parse_looks(text, str(session.folder / LOOKS_FILE))
    if looks.fingerprint != fresh.fingerprint:
        session.report(
            f"The claims have changed since they were looked at: they are a new family, number {looks.number + 1}, "
            "with an error rate of its own; what the looks at the earlier ones spent is not counted in it."
        )
        return looks.begin_anew(fresh)
    if options.max_replicates not in (None, looks.most) and looks.taken:
        raise StudyError(
            f"--max-replicates {options.max_replicates}: the looks at these claims were planned for {looks.most}, "
            "which what was spent goes by; leave it out, or start over with --fresh"
        )
    return looks if looks.taken else replace(looks, most=options.max_replicates or looks.most)


@dataclass
class _Course:
    session: "Session"
    looks: Looks
    next: Round = field(default_factory=Round)
    begun: float | None = None  # when the further replicates that are being run did

    def run(self) -> "Outcome":
        session = self.session
        session.look, session.callbacks = self._take, [*session.callbacks, _Clock(self)]
        is_pending = bool(self.looks.more) and self._lacks_fits()
        while True:
            self.begun = time.monotonic() if is_pending else None
            outcome = session.run_once()
            if outcome.interrupted or outcome.missing:
                return outcome
            session.options = replace(session.options, fresh=False, continue_from=None)
            if not self.next.more:
                session.report(self._describe_end(self.next))
                return outcome
            session.begun = time.monotonic()
            session.take_study(extend_study(session.study, self.looks))
            is_pending = True

    def _lacks_fits(self) -> bool:
        """Whether an interrupted round is to be finished."""
        path = self.session.folder / RECORDS_FILE
        records = read_records(path).records if path.exists() else RecordSet()
        return any(find_missing(self.session.specs, records).values())

    def _take(self, results: StoredResults) -> bool:
        """Look, and choose what to run next; whether there is anything."""
        self._keep(take_looks(results, self.looks))
        self.next = self._choose(results)
        self._keep(self.looks.hold(self.next.held))
        if self.next.more:
            self.session.report(self._describe_next(self.next))
            self._keep(replace(self.looks, more=join_more(self.looks.more, self.next.more)))
        return bool(self.next.more)

    def spend(self, at_least: float = 0.0) -> None:
        """Count the time that further replicates have taken since it was last counted, once it is `at_least` this."""
        now = time.monotonic()
        if self.begun is not None and now - self.begun >= at_least:
            self._keep(replace(self.looks, seconds=self.looks.seconds + now - self.begun))
            self.begun = now

    def stop_spending(self) -> None:
        """Count it to here: the looks and tables that follow are not in it."""
        self.spend()
        self.begun = None

    def _keep(self, looks: Looks) -> None:
        self.looks = looks
        write_looks(self.session, looks)

    def _choose(self, results: StoredResults) -> Round:
        budget = self.session.options.budget
        left = None if budget is None else budget - self.looks.seconds
        return choose_round(results, self.looks, left, _count_slots(self.session.options))

    def _describe_next(self, chosen: Round) -> str:
        about = f", about {spell_seconds(chosen.seconds)}" if chosen.seconds >= 1 else ""
        return f"{_count(self.looks)}. Next: {_spell_more(self.session.study, chosen.more)}{about}."

    def _describe_end(self, chosen: Round) -> str:
        if not chosen.held:
            return f"{_count(self.looks)}. The study is done."
        budget, spent = self.session.options.budget or 0.0, self.looks.seconds
        return (
            f"{_count(self.looks)}. What is beyond the budget of {spell_seconds(budget)} ({spell_seconds(spent)} are "
            "spent) is left as it is; a larger --budget goes on with it."
        )


class _Clock(Callback):
    """Counts what further replicates take while they run, so that a killed run has spent its time, too."""

    def __init__(self, course: _Course) -> None:
        self._course = course

    def record(self, record: Record) -> None:
        self._course.spend(at_least=COUNTED_EVERY)

    def close(self) -> None:
        self._course.stop_spending()


def _count_slots(options: RunOptions) -> float:
    """The fits that run at a time."""
    cores = 1.0 if options.cpus_per_trial is None else max(options.cpus_per_trial, 0.01)
    return 1.0 if options.executor == "inline" else max(1.0, count_cpus() / cores)


def _count(looks: Looks) -> str:
    states = [path.state for path in looks.paths]
    names = {"decided": "decided", "futile": "futile", "refused": "without a test", "ended": "undecided at the end"}
    names |= {"out-of-budget": "beyond the budget"}
    told = [f"{states.count(state)} {name}" for state, name in names.items() if state in states]
    told.append(f"{states.count('open')} open")
    return f"Look {looks.taken}: of {len(states)} claims {', '.join(told)}"


def _spell_more(study: Study, more: Sequence[Mapping[str, Any]]) -> str:
    conditions = [specs[0].condition for specs in study.conditions()]
    spelled = []
    for each in more:
        condition = next(condition for condition in conditions if has_levels(condition, each["levels"]))
        spelled.append(f"{spell_label(study.labelling.label(condition))} to {each['replicates']} replicates")
    return "; ".join([*spelled[:4], f"and {len(spelled) - 4} more"] if len(spelled) > 4 else spelled)
