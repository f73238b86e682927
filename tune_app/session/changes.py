"""What to do about code or data that changed since fits were made: train, score what is recorded, or stop."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tune_app.errors import StudyError
from tune_app.parts.fingerprints import Change, Fit
from tune_app.records import RecordSet, RecordStore

if TYPE_CHECKING:
    from tune_app.session.session import Session


@dataclass
class Remedies:
    """The fits that train again, the metrics by which recorded ones are scored anew, and what the user asserts."""

    train: set[Fit] = field(default_factory=set)
    score: dict[Fit, set[str]] = field(default_factory=lambda: defaultdict(set))
    asserted: list[str] = field(default_factory=list)

    @property
    def rescored(self) -> dict[Fit, set[str]]:
        """The metrics by fit, of those that do not train again."""
        return {fit: names for fit, names in self.score.items() if fit not in self.train}


def find_remedies(session: "Session", changes: list[Change], known: RecordSet) -> Remedies:
    """What the options say of each change; StudyError where they say nothing.

    A change of a metric trains nothing where the outputs were kept, and one that comes with a raised version of it
    needs no option.
    """
    found, problems = Remedies(), []
    for change in changes:
        scored = _find_scored(session, change, known)
        trained = set(change.fits) - scored
        if session.options.rerun_changed or change.is_stated:
            for fit in scored:
                found.score[fit].add(change.metric)
        if session.options.rerun_changed:
            found.train |= trained
        elif change.is_stated and not trained:
            continue
        elif session.options.same_code:
            found.asserted.append(change.sentence)
        else:
            problems.append(_describe(session, change, len(scored)))
    if problems:
        raise StudyError(problems)
    return found


def _find_scored(session: "Session", change: Change, known: RecordSet) -> set[Fit]:
    """The fits of a change for which scoring their recorded outputs does."""
    if not change.metric or _chooses_networks(session, change):
        return set()
    from tune_app.session.backfill import can_score
    from tune_app.session.notes import build_target_finder

    specs = {spec.id: spec for spec in session.specs}
    rest = change.metric, session.study, session.folder, build_target_finder(session)
    return {fit for fit in change.fits if can_score(known.folds[fit], specs[fit[0]], *rest)}


def _chooses_networks(session: "Session", change: Change) -> bool:
    """Whether the metric says which network of a trial is kept: its epochs are scored while it trains."""
    return session.options.keep == "best" and change.metric == session.study.metrics.named[0]


def _describe(session: "Session", change: Change, scored: int) -> str:
    """What changed, and the ways out."""
    name, left = change.what.rpartition(" ")[2], len(change.fits) - scored
    offer = f"raise define.{name}.version to make new trials, " if name in session.study.define else ""
    way = "run them again with --rerun-changed"
    if change.metric:
        offer = "" if change.is_stated or left else f"raise define.{name}.version, which computes them anew too, "
        if not left:
            way = "compute them anew from the recorded outputs with --rerun-changed, which trains nothing"
        elif _chooses_networks(session, change):
            way = f"{name} chooses the networks that are kept, so {way}"
        elif scored:
            way = (
                f"with --rerun-changed {scored} are computed anew from recorded outputs, and {left} without outputs "
                "are trained again"
            )
        else:
            way = f"their outputs were not kept or are gone, so {way}"
    elif change.what.startswith("metric "):
        way = f"early stopping watches it, so {way}"
    return (
        f"{change.sentence}: scores must not be mixed; {way}, start over with --fresh, {offer}or state with "
        "--same-code that the change makes no difference"
    )


def score_anew(session: "Session", store: RecordStore) -> None:
    """Score the recorded outputs of the fits that a change of metrics concerns, and report how many."""
    stale, train = session.remedies.rescored, len(session.remedies.train)
    if not stale:
        return
    from tune_app.session.backfill import rescore
    from tune_app.session.notes import build_target_finder

    where = session.folder, session.found.scope.root, build_target_finder(session)
    scored = rescore(store, session.study, session.specs, stale, *where)
    names = sorted(set().union(*stale.values()))
    trained = f"{train} are trained again" if train else "none is trained again"
    session.report(f"{scored} fits scored anew by {', '.join(names)} from their recorded outputs; {trained}.")
    if session.study.metrics.named[0] in names:
        session.report(
            f"Their curves of {session.study.metrics.named[0]} over epochs are left out: outputs are kept of what was "
            "tested alone; --fresh trains for new ones."
        )
