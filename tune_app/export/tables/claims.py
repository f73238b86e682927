"""The study's claims with their verdicts."""

from typing import Any

import pandas as pd

from tune_app.export.tables.contrasts import spell_n
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Reason, Row, Table, list_records
from tune_app.export.tables.notes import number_claims, share_reasons
from tune_app.export.tables.outlook import mark_needed
from tune_app.export.tables.scope import ESTIMAND, build_scope, do_differ, spell_estimand
from tune_app.study import Study

COLUMNS = (
    Column("number", "no.", Kind.COUNT),
    Column("sentence", "claim", wraps=True),
    Column("verdict", "verdict"),
    Column("metric", "metric", least=Medium.PAPER),
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "adjusted interval", Kind.INTERVAL, signed=True),
    Column("p_holm", "p (Holm)", Kind.P_VALUE, least=Medium.PAPER),
    Column("unadjusted", "unadjusted verdict", least=Medium.PAPER),
    Column("estimand", "speaks of", least=Medium.PAPER),
    Column("n", "n", least=Medium.PAPER),
    Column("power", "power", Kind.SHARE, least=Medium.PAPER),
    Column("needed_replicates", "replicates for 80%", Kind.COUNT, least=Medium.PAPER),
    Column("needed_replicates_90", "for 90%", Kind.COUNT, least=Medium.PAPER),
    Column("ci95", "95% interval, unadjusted", Kind.INTERVAL, signed=True, least=Medium.PAPER),
)
ADJUSTMENT = (
    "p and interval are adjusted by Holm over the claims of a family: the chance of any wrong verdict among them stays "
    "below 5%."
)
BY_LOOKS = (
    "Each interval is that of the claim's last look. Its level is so high that the chance of any wrong verdict stays "
    "below 5% over all looks at all claims of a family (Lan–DeMets spending within Holm's rule)."
)
POWER = "Power is the chance that this many replicates decide a claim, if its effect is as observed."
POWER_BY_LOOKS = (
    "Power is the chance that the last look, after {most} replicates, decides a claim, by what has been seen; the "
    "replicates for 80% and for 90% are those of the first look with such a chance."
)


def build_claim_table(study: Study, claims: pd.DataFrame) -> Table:
    """A numbered row for each of claims.csv; what several verdicts have for a reason is one note."""
    records = list_records(claims)
    rows = tuple(_build_row(study, number, record) for number, record in enumerate(records, start=1))
    estimands = [record["estimand"] for record in records]
    columns = tuple(column for column in COLUMNS if column.name != ESTIMAND.name or do_differ(estimands))
    adjusted = [f"{adjustment} {_spell_power(claims)}"] if (adjustment := spell_adjustment(claims)) else []
    reasons = [f"{number_claims(reason)}: {reason.text}" for reason in build_claim_reasons(claims)]
    scope = build_scope([(record["estimand"], record["metric"]) for record in records], study)
    return Table("claims", "Claims", columns, (Group("", rows),), (*adjusted, *reasons), scope)


def spell_adjustment(claims: pd.DataFrame) -> str:
    """What p and intervals of claims.csv are adjusted for; empty where none is."""
    if claims["adjusted_level"].isna().all():
        return ""
    return ADJUSTMENT if claims["look"].isna().all() else BY_LOOKS


def _spell_power(claims: pd.DataFrame) -> str:
    if claims["look"].isna().all():
        return POWER
    most = claims["most_replicates"].max()
    return "" if pd.isna(most) else POWER_BY_LOOKS.format(most=most)


def _build_row(study: Study, number: int, record: dict[str, Any]) -> Row:
    differs = record["verdict_unadjusted"] != record["verdict"]
    is_widened = record["adjusted_low"] != record["ci95_low"]  # a claim that is a family by itself needs no adjustment
    return Row(
        {
            **record,
            **mark_needed(record, ("needed_replicates", "needed_replicates_90")),
            "number": number,
            "metric": record["metric"] + (f", epoch {record['epochs']}" if record["epochs"] else ""),
            "effect": Estimate(record["effect"], record["adjusted_low"], record["adjusted_high"]),
            "ci95": Estimate(record["effect"], record["ci95_low"], record["ci95_high"]) if is_widened else None,
            "unadjusted": record["verdict_unadjusted"] if differs else None,
            "estimand": spell_estimand(record["estimand"], study),
            "n": spell_n(record),
        }
    )


def build_claim_reasons(claims: pd.DataFrame) -> list[Reason]:
    """The reasons of the verdicts and what else must be known of them, each with the numbers of its claims."""
    texts = zip(claims["reason"], claims["note"], strict=True)
    return share_reasons([(str(number), " ".join(filter(None, text))) for number, text in enumerate(texts, start=1)])
