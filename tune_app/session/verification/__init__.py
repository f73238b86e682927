"""A results folder checked: records, ids, predictions, tables, and some of its fits trained again."""

from tune_app.session.verification.verify import Verification, verify_results

__all__ = ["Verification", "verify_results"]
