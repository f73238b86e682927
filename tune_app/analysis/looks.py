"""The looks at the claims of a study: what each found, what it spent, which claims are still open. Nothing runs here.

The claims of a family share its error rate by Holm's rule: each has an equal part of it to spend over its own looks.
Once a claim is decided, its part passes to those that are not, whose boundaries are then those of the larger part
(Maurer & Bretz 2013). Stopping for futility or at a budget passes nothing on and binds nobody, so it never adds to the
error.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from tune_app.analysis.metrics import choose_rope
from tune_app.analysis.power import Region
from tune_app.analysis.sequential import (
    FUTILE,
    Schedule,
    Spending,
    build_repeated_interval,
    find_conditional_power,
    find_nominal_p,
    spend,
)
from tune_app.analysis.t_tests import LEVEL, TTest
from tune_app.errors import ResultsError
from tune_app.records.results import LOOKS_FILE, Results
from tune_app.study import Claim, Study

UNDECIDED = "undecided"
# By simulation (docs/statistics.md). Spending less at first, as O'Brien and Fleming do, decides clear claims with twice
# the replicates; spending more, as Pocock does, errs too often where the first looks have few degrees of freedom.
SPENDING: Spending = "power"
VERSION = 1  # of the state as it is written
METHOD = (
    "Lan–DeMets spending over replicates, within Holm over the claims of a family (Maurer & Bretz 2013); repeated "
    "confidence intervals (Jennison & Turnbull 1989)"
)
State = Literal["open", "decided", "futile", "refused", "ended", "out-of-budget"]


@dataclass(frozen=True)
class Look:
    """What one look at a claim found.

    `level` is the part of the family's error rate that the claim had, `p_spent` what it has spent of it so far,
    `nominal_p` the p below which this look decided, `low` and `high` the interval at that p. `last_p` is the nominal p
    of the last look, if the level stays. `conditional_power` is the chance to be decided at the last look, None where
    there is none to come.
    """

    number: int
    replicates: int
    effect: float
    standard_error: float
    df: float
    level: float
    p_spent: float
    nominal_p: float
    low: float
    high: float
    verdict: str
    last_p: float
    conditional_power: float | None = None


@dataclass(frozen=True)
class ClaimPath:
    """A claim on its way: its looks so far, and whether more are to come. `reason` says why not.

    One that is out of budget goes on as soon as there is more of it, or when its replicates grow for another claim.
    """

    sentence: str
    family: str
    looks: tuple[Look, ...] = ()
    state: State = "open"
    reason: str = ""

    @property
    def replicates(self) -> int | None:
        """Those of the last look, None before the first."""
        return self.looks[-1].replicates if self.looks else None

    @property
    def is_open(self) -> bool:
        """Whether further replicates are looked at."""
        return self.state in ("open", "out-of-budget")

    @property
    def verdict(self) -> str:
        """That of the look that decided it, else undecided."""
        return self.looks[-1].verdict if self.state == "decided" else UNDECIDED


@dataclass(frozen=True)
class Observed:
    """A claim's test after so many replicates, the effects that it allows, and what an interval says of it."""

    test: TTest
    region: Region
    replicates: int
    judge: Callable[[Region], str]


@dataclass(frozen=True)
class Looks:
    """Every look at a study's claims, as one family after another.

    `fingerprint` stands for the claims and their regions: with another one the claims are new. `first` are the
    replicates of the study as planned, `most` those of the last look. `number` counts the families, `earlier` has the
    paths of those that the study no longer claims. `more` are the replicates of conditions beyond the plan, as the
    study file has them, and `seconds` what these have taken.
    """

    fingerprint: str
    first: int
    most: int
    paths: tuple[ClaimPath, ...]
    spending: Spending = SPENDING
    more: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    number: int = 1
    earlier: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.first, self.most)

    @property
    def taken(self) -> int:
        """How many looks there were."""
        return max((look.number for path in self.paths for look in path.looks), default=0)

    def find_level(self, family: str) -> float:
        """The part of the error rate that each claim of the family that is not decided has at present."""
        members = [path for path in self.paths if path.family == family]
        left = sum(path.state != "decided" for path in members)
        return (1 - LEVEL) / max(1, left)

    def take(self, observed: Mapping[str, Observed]) -> "Looks":
        """The looks with one more at each open claim (by its sentence) whose replicates have grown.

        What a decision sets free is at the others' disposal at once, in the same look.
        """
        number, looks = self.taken + 1, self
        due = {
            path.sentence: observed[path.sentence]
            for path in self.paths
            if path.is_open
            and path.sentence in observed
            and (not path.looks or observed[path.sentence].replicates > path.looks[-1].replicates)
        }
        before = {path.sentence: path for path in self.paths}
        while True:
            paths = tuple(
                looks._look(before[path.sentence], due[path.sentence], number)
                if path.sentence in due and path.state != "decided"
                else path
                for path in looks.paths
            )
            decided = [sum(path.state == "decided" for path in each) for each in (paths, looks.paths)]
            looks = replace(looks, paths=paths)
            if decided[0] == decided[1]:
                return looks

    def _look(self, path: ClaimPath, observed: Observed, number: int) -> ClaimPath:
        level, test = self.find_level(path.family), observed.test
        counts = [*(look.replicates for look in path.looks), observed.replicates]
        nominal_p = find_nominal_p(level, counts, self.most, self.spending)
        low, high = build_repeated_interval(test, nominal_p)
        is_last = observed.replicates >= self.most
        last, power = nominal_p, None
        if not is_last:
            last = find_nominal_p(level, [*counts, self.most], self.most, self.spending)
            power = find_conditional_power(test, observed.region, last, self.most)
        spent = spend(level, observed.replicates / self.most, self.spending)
        found = (test.effect, test.standard_error, test.df, level, spent, nominal_p, low, high)
        look = Look(number, observed.replicates, *found, observed.judge((low, high)), last, power)
        state, reason = _find_state(look)
        return replace(path, looks=(*path.looks, look), state=state, reason=reason)

    def hold(self, reasons: Mapping[str, str]) -> "Looks":
        """The looks with the claims (by sentence) that a budget leaves as they are, and why; any other may go on."""
        paths = tuple(
            replace(
                path,
                state="out-of-budget" if path.sentence in reasons else "open",
                reason=reasons.get(path.sentence, ""),
            )
            if path.is_open
            else path
            for path in self.paths
        )
        return replace(self, paths=paths)

    def refuse(self, sentence: str, reason: str) -> "Looks":
        """The looks with a claim closed that no more replicates would make a test of."""
        paths = tuple(
            replace(path, state="refused", reason=reason) if path.sentence == sentence else path for path in self.paths
        )
        return replace(self, paths=paths)

    def begin_anew(self, fresh: "Looks") -> "Looks":
        """`fresh`, a new family of claims, with these looks kept as an earlier one: their error is counted apart."""
        paths = json.loads(json.dumps([asdict(path) for path in self.paths]))  # as it will be read
        old = {"number": self.number, "fingerprint": self.fingerprint, "paths": paths}
        return replace(
            fresh, number=self.number + 1, earlier=(*self.earlier, old), seconds=self.seconds, more=self.more
        )

    def to_json(self) -> str:
        """The state as text; `parse_looks` makes the same of it."""
        content = {"version": VERSION, "method": METHOD, "error_rate": round(1 - LEVEL, 12), **asdict(self)}
        content["looks_planned"] = self.schedule.looks
        return json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1) + "\n"


def _find_state(look: Look) -> tuple[State, str]:
    if look.verdict != UNDECIDED:
        return "decided", ""
    if look.conditional_power is None:
        return "ended", f"it is undecided after the last look, {spell_replicates(look.replicates)}."
    if look.conditional_power < FUTILE:
        return "futile", (
            f"stopped after {spell_replicates(look.replicates)}: the chance that the last look decides it is "
            f"{100 * look.conditional_power:.2g}%, which is below {100 * FUTILE:g}%."
        )
    return "open", ""


def spell_replicates(count: int) -> str:
    """`1 replicate`, `3 replicates`."""
    return f"{count} replicate{'' if count == 1 else 's'}"


def choose_margin(study: Study, claim: Claim) -> float:
    """The margin within which the claim's effect counts as none."""
    return choose_rope(study, claim.metric) if claim.by is None else claim.by


def fingerprint_claims(study: Study) -> str:
    """A hash of what the study claims: regions, families and the conditions compared, whatever their replicates."""
    claims = []
    for claim in study.claims:
        pairs = [[side[0].id for side in pair] for pair in study.claim_pairs(claim)]
        margin = choose_margin(study, claim)
        claims.append([claim.model_dump(mode="json"), margin, study.find_family(claim), pairs])
    return hashlib.sha256(json.dumps([study.inference, claims], sort_keys=True).encode()).hexdigest()[:16]


def find_looks(results: Results) -> tuple[Looks | None, str]:
    """The looks at the study's claims, None without any, and what to say where looks were at others."""
    if not results.looks:
        return None, ""
    looks = parse_looks(results.looks, LOOKS_FILE)
    if looks.fingerprint == fingerprint_claims(results.study):
        earlier = (
            "Claims before these were looked at as well; these are a family of their own, their error counted apart."
        )
        return looks, earlier if looks.number > 1 else ""
    return None, (
        "The study ran on until other claims were decided: this verdict takes the records as if they had been planned."
    )


def parse_looks(text: str, place: str) -> Looks:
    """What `to_json` wrote; ResultsError, which names the place, for anything else."""
    try:
        content = json.loads(text)
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, and {VERSION} is known")
        paths = tuple(
            ClaimPath(**{**path, "looks": tuple(Look(**look) for look in path["looks"])}) for path in content["paths"]
        )
        if not all(math.isfinite(look.low) and math.isfinite(look.high) for path in paths for look in path.looks):
            raise ValueError("an interval without ends")
        names = ("fingerprint", "first", "most", "spending", "seconds", "number")
        kept = {name: content[name] for name in names}
        return Looks(**kept, paths=paths, more=tuple(content["more"]), earlier=tuple(content["earlier"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(
            f"{place} cannot be read ({type(error).__name__}: {error}); restore it, or delete it: then the claims are "
            "looked at as if for the first time"
        ) from error
