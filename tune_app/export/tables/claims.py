"""The study's claims with their verdicts."""

import pandas as pd

from tune_app.export.tables.contrasts import spell_n
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import Reason, number_claims, share_reasons

COLUMNS = (
    Column("number", "no.", Kind.COUNT),
    Column("sentence", "claim", wraps=True),
    Column("verdict", "verdict"),
    Column("metric", "metric", least=Medium.PAPER),
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    Column("n", "n", least=Medium.PAPER),
)


def build_claim_table(claims: pd.DataFrame) -> Table:
    """A numbered row for each of claims.csv; what several verdicts have for a reason is one note."""
    rows = tuple(
        Row(
            {
                **record,
                "number": number,
                "metric": record["metric"] + (f", epoch {record['epochs']}" if record["epochs"] else ""),
                "effect": Estimate(record["effect"], record["ci95_low"], record["ci95_high"]),
                "n": spell_n(record),
            }
        )
        for number, record in enumerate(list_records(claims), start=1)
    )
    notes = tuple(f"{number_claims(reason)}: {reason.text}" for reason in build_claim_reasons(claims))
    return Table("claims", "Claims", COLUMNS, (Group("", rows),), notes)


def build_claim_reasons(claims: pd.DataFrame) -> list[Reason]:
    """The reasons of the verdicts and what else must be known of them, each with the numbers of its claims."""
    texts = zip(claims["reason"], claims["note"], strict=True)
    return share_reasons([(str(number), " ".join(filter(None, text))) for number, text in enumerate(texts, start=1)])
