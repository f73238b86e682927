"""What the defects of a protocol cost, which of its two hypotheses holds, and where reported figures lie."""

from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.costs import build_audit, build_waterfall
from tune_app.analysis.audit.reference_check import build_reference_check

__all__ = ["build_audit", "build_conclusions", "build_reference_check", "build_waterfall"]
