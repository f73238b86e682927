"""tune_app: ablation studies of networks, every condition cross-validated in parallel, with paired statistics.

    results = tune_app.run_study("quick", executor="inline")
    results.contrasts

The names below are the public ones. They are imported when they are first used: `import tune_app` takes neither torch
nor Ray along.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tune_app.errors import (
        DataError as DataError,
    )
    from tune_app.errors import (
        ExportError as ExportError,
    )
    from tune_app.errors import (
        FitError as FitError,
    )
    from tune_app.errors import (
        RecordError as RecordError,
    )
    from tune_app.errors import (
        RefusedError as RefusedError,
    )
    from tune_app.errors import (
        ResourceError as ResourceError,
    )
    from tune_app.errors import (
        ResultsError as ResultsError,
    )
    from tune_app.errors import (
        StudyError as StudyError,
    )
    from tune_app.errors import (
        TuneAppError as TuneAppError,
    )
    from tune_app.export.figures import Figure as Figure
    from tune_app.models import load_network as load_network
    from tune_app.models import read_weights as read_weights
    from tune_app.monitor import Callback as Callback
    from tune_app.plan import PlannedTrial as PlannedTrial
    from tune_app.plan import WorkItem as WorkItem
    from tune_app.records import EpochRecord as EpochRecord
    from tune_app.records import FoldRecord as FoldRecord
    from tune_app.session.options import RunOptions as RunOptions
    from tune_app.session.planning import Plan as Plan
    from tune_app.session.results import Results as Results
    from tune_app.session.results import read_results as read_results
    from tune_app.session.session import build_plan as build_plan
    from tune_app.session.session import run_study as run_study
    from tune_app.session.studies import read_study as read_study
    from tune_app.study import (
        Claim as Claim,
    )
    from tune_app.study import (
        GridEntry as GridEntry,
    )
    from tune_app.study import (
        Recipe as Recipe,
    )
    from tune_app.study import (
        Study as Study,
    )
    from tune_app.study import (
        TrialSpec as TrialSpec,
    )

__version__ = "0.2.0"

_PLACES = {
    "Callback": "tune_app.monitor",
    "Claim": "tune_app.study",
    "DataError": "tune_app.errors",
    "EpochRecord": "tune_app.records",
    "ExportError": "tune_app.errors",
    "Figure": "tune_app.export.figures",
    "FitError": "tune_app.errors",
    "FoldRecord": "tune_app.records",
    "GridEntry": "tune_app.study",
    "Plan": "tune_app.session.planning",
    "PlannedTrial": "tune_app.plan",
    "Recipe": "tune_app.study",
    "RecordError": "tune_app.errors",
    "RefusedError": "tune_app.errors",
    "ResourceError": "tune_app.errors",
    "Results": "tune_app.session.results",
    "ResultsError": "tune_app.errors",
    "RunOptions": "tune_app.session.options",
    "Study": "tune_app.study",
    "StudyError": "tune_app.errors",
    "TrialSpec": "tune_app.study",
    "TuneAppError": "tune_app.errors",
    "WorkItem": "tune_app.plan",
    "build_plan": "tune_app.session.session",
    "load_network": "tune_app.models",
    "read_results": "tune_app.session.results",
    "read_study": "tune_app.session.studies",
    "read_weights": "tune_app.models",
    "run_study": "tune_app.session.session",
}
__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
