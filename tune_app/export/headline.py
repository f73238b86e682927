"""What a study shows in a few sentences: the first thing that page and terminal say."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from tune_app.analysis.audit.reference_check import iterate_checks
from tune_app.analysis.audit.settings import REMOVED, WHOLE
from tune_app.analysis.audit.verdicts import LITTLE, MINOR, MOST, PART, WORSE
from tune_app.analysis.headline import SHAPES, Leading, Rival, VerdictRow, find_leading
from tune_app.analysis.reported import find_counterparts
from tune_app.export.figures.contrasts import select_drawable
from tune_app.export.figures.rows import spell_pair
from tune_app.export.figures.titles import select_decided, spell_label, title_contrasts
from tune_app.export.rounding import format_estimate, format_p_value
from tune_app.records.results import Results
from tune_app.study.metrics import SHARE
from tune_app.study.protocol import SOUND

EXPLAINED = {
    MOST: "more than half",
    PART: "a part",
    MINOR: "a part, less than half",
    LITTLE: "less than half, if any",
    WORSE: "nothing",
}
PROTOCOLS = (
    "The sound protocol has no known defect of training, validation or test; as-reported has each one that applies."
)
NAMED = 3  # conditions; of more a sentence gives the number


@dataclass(frozen=True)
class Headline:
    """`sentence` answers the study's question, `more` are sentences on the rest, `note` says what does not compete."""

    sentence: str
    more: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        return " ".join((self.sentence, *self.more))


def build_headline(
    results: Results, claims: pd.DataFrame, contrasts: pd.DataFrame, audit: pd.DataFrame | None = None
) -> Headline:
    """The headline of a study, from the frames `claims`, `contrasts` and, where there is one, `audit`.

    Of a study about defects the audit comes first.
    """
    leading = find_leading(results)
    sentences = [spell_leading(leading), spell_baseline(leading), spell_contrasts(results, contrasts, leading)]
    found = "" if audit is None else spell_audit(audit)
    if found and is_about_defects(results):
        sentences.insert(0, found)
    sentences += [spell_reported(results), spell_verdicts(claims)]
    first, *more = filter(None, sentences)
    return Headline(first, tuple(more), _spell_note(leading))


def is_about_defects(results: Results) -> bool:
    """Whether most conditions of the study have defects of the protocol."""
    conditions = results.study.conditions()
    sound = [specs for specs in conditions if specs[0].condition["protocol"] == SOUND]
    return 2 * len(sound) < len(conditions)


def spell_leading(leading: Leading) -> str:
    """`CNN has the highest test accuracy, 0.982 [0.980, 0.985], and all 3 others are ruled out as the best.`"""
    metric = leading.metric.replace("_", " ")
    if not leading.label:
        return _spell_nothing(leading, metric)
    if leading.data_sets:
        total = 1 + len(leading.rivals)
        what = f"the best average rank by {metric} over {leading.data_sets} data sets, {leading.value:.3g} of {total}"
    else:
        order = ("highest", "lowest") if len(leading.rivals) > 1 else ("higher", "lower")
        what = f"the {order[leading.better == 'lower']} {metric}, {_spell_value(leading)}"
    label = ("By sound protocol " if leading.left_out else "") + spell_label(leading.label)
    if not leading.rivals:
        return f"{label} has a {metric} of {_spell_value(leading)}, and no other condition has one."
    if leading.tied:
        return f"{_join([label, *map(spell_label, leading.tied)])} share {what}."
    if leading.reason:  # nothing was tested
        return f"{label} has {what}; {leading.reason}"
    return f"{label} has {what}{_spell_decision(leading)}."


def _spell_nothing(leading: Leading, metric: str) -> str:
    if leading.reason or not leading.without:
        return f"No condition has an average rank: {leading.reason}"
    reason = leading.without[0][1]
    more = len(leading.without) - 1
    others = f" {more} other condition{'s have' if more > 1 else ' has'} none either." if more else ""
    return f"No condition has a mean {metric}: {reason}{others}"


def _spell_value(leading: Leading) -> str:
    value, interval = format_estimate(leading.value, leading.low, leading.high)
    unit = f" {leading.unit}" if leading.unit not in ("", SHARE) else ""
    return f"{value}{unit}" + (f" {interval}" if leading.low == leading.low else "")  # NaN is no number


def _spell_decision(leading: Leading) -> str:
    """Only what a set of conditions that may be the best allows to say: none of it is about two of the others."""
    open_ones, count = leading.undecided, len(leading.rivals)
    if not open_ones:
        return f": decided against {'all' if count > 2 else 'both' if count == 2 else 'the'} other{'s' * (count > 1)}"
    if len(open_ones) == count > NAMED:
        return f", but which is best is undecided: none of the {count} others is ruled out"
    named = list(map(spell_label, open_ones[:NAMED]))
    if len(open_ones) > NAMED:
        named = [*named[:-1], f"{len(open_ones) - NAMED + 1} more"]
    return f", but which is best is undecided: {_join(named)} may be as good"


def spell_baseline(leading: Leading) -> str:
    """How the leading condition stands to the baseline; empty where there is none among them, or no other."""
    if leading.is_baseline and leading.rivals:
        return "It is the baseline."
    rival = next((rival for rival in leading.rivals if rival.is_baseline), None)
    if rival is None or rival.effect is None or leading.data_sets:
        return ""
    over = f" over the {rival.shared} fits that both have" if rival.shared else ""
    verdict = "decided" if rival.is_decided else "undecided"
    if not rival.is_decided and rival.low is not None and rival.high is not None and rival.low * rival.high > 0:
        verdict += f" once it is adjusted for {len(leading.rivals)} comparisons"
        verdict += f" (p = {format_p_value(rival.p_holm)})" if rival.p_holm is not None else ""
    return f"Its difference from the baseline, {spell_label(rival.label)}, is {_spell_effect(rival)}{over}: {verdict}."


def spell_contrasts(results: Results, contrasts: pd.DataFrame, leading: Leading) -> str:
    """The largest difference from the baseline that is decided; empty without one, or where it is the leader's."""
    found = select_drawable(contrasts) if len(contrasts) else contrasts
    decided = select_decided(found)
    if decided.empty:
        return ""
    largest = float(decided["effect"].abs().max())
    of_leader = [abs(rival.effect) for rival in leading.rivals if rival.is_baseline and rival.effect is not None]
    if of_leader and math.isclose(largest, of_leader[0]):
        return ""
    return f"{title_contrasts(found, partial(spell_pair, results.study))}."


def _spell_effect(rival: Rival) -> str:
    effect, interval = format_estimate(rival.effect, rival.low, rival.high, sign="+")
    effect, interval = effect.replace("-", "−"), interval.replace("-", "−")
    return effect if rival.low is None else f"{effect} {interval}"


def _spell_note(leading: Leading) -> str:
    parts = []
    if count := len(leading.without) * bool(leading.label):
        parts.append(f"{count} condition{'s have' if count > 1 else ' has'} no mean")
    if count := leading.left_out:
        parts.append(f"{count} condition{'s have defects in their' if count > 1 else ' has defects in its'} protocol")
    how = ""
    if leading.rivals and not leading.data_sets:
        how = (
            "In the sentences and the figure intervals are of 95%. Which condition is best is decided by Holm's rule "
            "over the comparisons with the leading one, at the 5% level."
        )
    protocols = PROTOCOLS if leading.left_out else ""
    return " ".join(filter(None, (how, f"{' and '.join(parts)}: not compared here." if parts else "", protocols)))


def spell_verdicts(claims: pd.DataFrame) -> str:
    """`Of 16 claims 1 is supported, 4 are refuted, 2 are negligible and 9 are undecided.`"""
    counts = Counter(claims["verdict"])
    if not counts:
        return ""
    total = counts.total()
    parts = [f"{n} {'is' if n == 1 else 'are'} {verdict}" for verdict in SHAPES if (n := counts[verdict])]
    if total == 1:
        return f"The claim is {next(iter(counts))}."
    if len(parts) == 1:
        return f"{'Both' if total == 2 else f'All {total}'} claims are {next(iter(counts))}."
    return f"Of {total} claims {_join(parts)}."


def spell_reported(results: Results) -> str:
    """How many of the reported figures our own mean agrees with; empty where none is of the same experiment.

    Where some conditions are run as reported, also how many figures lie among their replicates.
    """
    counts = Counter(found.verdict for found in find_counterparts(results))
    inside, outside = counts["inside the interval"], counts["outside the interval"]
    total = inside + outside
    if not total:
        return ""
    places = [row["place"] for _, _, row in iterate_checks(results) if row["as_reported_replicates"]]
    again = f" Run as reported, {_spell_places(places)}." if places else ""
    if total == 1:
        return f"The reported figure lies {'inside' if inside else 'outside'} the interval of our mean.{again}"
    each = "each lies" if inside == total else "none lies" if not inside else f"{inside} lie{'s' * (inside == 1)}"
    return f"Of {total} reported figures {each} inside the interval of our mean.{again}"


def _spell_places(places: Sequence[str]) -> str:
    """`3 of 8 are reproduced: they lie among our replicates; 1 is not; for 4 there are too few replicates to tell`."""
    total, inside, outside = len(places), places.count("inside"), places.count("outside")
    few = total - inside - outside
    what = "is reproduced: it lies" if inside == 1 else "are reproduced: they lie"
    parts = [f"{inside} of {total} {what} among our replicates" if inside else f"none of {total} is reproduced"]
    parts += [f"{outside} {'is' if outside == 1 else 'are'} not"] if outside and inside else []
    parts += [f"for {few} there are too few replicates to tell"] if few else []
    return "; ".join(parts)


def spell_audit(audit: pd.DataFrame) -> str:
    """What the defects cost in the first setting whose gap is shown, else in the first; empty without a gap."""
    wholes = audit[(audit["defect"] == WHOLE[0]) & (audit["way"] == WHOLE[1]) & audit["cost"].notna()]
    if wholes.empty:
        return ""
    removed = audit[(audit["way"] == REMOVED) & audit["explains"].notna()]
    shown = removed[removed["explains"].isin((MOST, PART, MINOR))]
    settings = [setting for setting in wholes["setting"] if setting in set(shown["setting"])]
    setting = settings[0] if settings else wholes["setting"].iloc[0]
    whole = wholes[wholes["setting"] == setting].iloc[0]
    text = (
        f"Run as reported, {spell_label(setting)} has a test accuracy of {whole['accuracy_with']:.3f}; by sound "
        f"protocol {whole['accuracy_without']:.3f}."
    )
    explained = _explain(removed[removed["setting"] == setting])
    return f"{text} {explained}" if explained else text


def _explain(rows: pd.DataFrame) -> str:
    """What taking each defect away is shown to explain of the gap."""
    parts = [
        f"{_join(list(rows.loc[rows['explains'] == explains, 'defect']))} {words}"
        for explains, words in EXPLAINED.items()
        if (rows["explains"] == explains).any()
    ]
    return f"What explains that gap: {'; '.join(parts)}." if parts else "What explains that gap is undecided."


def spell_remark(row: VerdictRow) -> str:
    """How small a negligible effect is: `within ±10 points`; empty for every other verdict."""
    if row.verdict != "negligible":
        return ""
    margin = min(map(abs, row.region))
    return f"within ±{100 * margin:g} points" if row.unit == SHARE else f"within ±{margin:g} {row.unit}".strip()


def spell_needs(row: VerdictRow) -> str:
    """What an undecided claim needs for a verdict: `63 replicates`; empty for what is decided."""
    if row.verdict != "undecided":
        return ""
    if row.needed is not None:
        least = "at least " if row.most is None else ""
        return f"{least}{row.needed:,} replicate{'s' if row.needed > 1 else ''}"
    return "see the reason" if row.most is None else f"over {row.most:,} replicates"


def _join(words: Sequence[Any]) -> str:
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last
