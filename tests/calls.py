"""Calls as a notebook makes them, in this process and without a display."""

from typing import Any

import tune_app
from tests.builders import build_results


def run(study: Any, **options: Any) -> tune_app.Results:
    chosen: dict[str, Any] = {"executor": "inline", "device": "cpu", "progress": False} | options
    return tune_app.run_study(study, **chosen)


def results_of(study: tune_app.Study) -> tune_app.Results:
    return tune_app.Results(build_results(study, lambda spec, fold: 0.9 + fold / 100))
