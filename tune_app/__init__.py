"""tune_app: ablation studies of networks, every condition cross-validated in parallel, with paired statistics.

    results = tune_app.run_study("quick", executor="inline")
    results.contrasts

The names below are the public ones. They are imported when they are first used: `import tune_app` takes neither torch
nor Ray along.
"""

# ruff: noqa: I001 - the names of a module stand together

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tune_app.data.model import Data as Data
    from tune_app.errors import (
        ClusterError as ClusterError,
        DataError as DataError,
        ExportError as ExportError,
        FitError as FitError,
        RecordError as RecordError,
        RefusedError as RefusedError,
        ResourceError as ResourceError,
        ResultsError as ResultsError,
        StudyError as StudyError,
        TuneAppError as TuneAppError,
    )
    from tune_app.export.figures import Figure as Figure
    from tune_app.models import (
        load_network as load_network,
        read_weights as read_weights,
    )
    from tune_app.monitor import Callback as Callback
    from tune_app.plan import (
        PlannedTrial as PlannedTrial,
        WorkItem as WorkItem,
    )
    from tune_app.records import (
        EpochRecord as EpochRecord,
        FoldRecord as FoldRecord,
        RecordSet as RecordSet,
    )
    from tune_app.session.calls import (
        build_plan as build_plan,
        run_study as run_study,
    )
    from tune_app.session.comparison import (
        Comparison as Comparison,
        compare_results as compare_results,
    )
    from tune_app.session.options import RunOptions as RunOptions
    from tune_app.session.planning import Plan as Plan
    from tune_app.session.results import (
        Results as Results,
        read_results as read_results,
    )
    from tune_app.session.studies import (
        build_study as build_study,
        read_study as read_study,
        write_study as write_study,
    )
    from tune_app.session.verification import (
        Verification as Verification,
        verify_results as verify_results,
    )
    from tune_app.study import (
        Baseline as Baseline,
        Claim as Claim,
        DataChoice as DataChoice,
        GridEntry as GridEntry,
        Label as Label,
        Recipe as Recipe,
        Study as Study,
        TrialSpec as TrialSpec,
    )

__version__ = "0.3.0.dev0"

_PLACES = {
    "Baseline": "tune_app.study",
    "Callback": "tune_app.monitor",
    "Claim": "tune_app.study",
    "ClusterError": "tune_app.errors",
    "Comparison": "tune_app.session.comparison",
    "Data": "tune_app.data.model",
    "DataChoice": "tune_app.study",
    "DataError": "tune_app.errors",
    "EpochRecord": "tune_app.records",
    "ExportError": "tune_app.errors",
    "Figure": "tune_app.export.figures",
    "FitError": "tune_app.errors",
    "FoldRecord": "tune_app.records",
    "GridEntry": "tune_app.study",
    "Label": "tune_app.study",
    "Plan": "tune_app.session.planning",
    "PlannedTrial": "tune_app.plan",
    "Recipe": "tune_app.study",
    "RecordError": "tune_app.errors",
    "RecordSet": "tune_app.records",
    "RefusedError": "tune_app.errors",
    "ResourceError": "tune_app.errors",
    "Results": "tune_app.session.results",
    "ResultsError": "tune_app.errors",
    "RunOptions": "tune_app.session.options",
    "Study": "tune_app.study",
    "StudyError": "tune_app.errors",
    "TrialSpec": "tune_app.study",
    "TuneAppError": "tune_app.errors",
    "Verification": "tune_app.session.verification",
    "WorkItem": "tune_app.plan",
    "build_plan": "tune_app.session.calls",
    "build_study": "tune_app.session.studies",
    "compare_results": "tune_app.session.comparison",
    "load_network": "tune_app.models",
    "read_results": "tune_app.session.results",
    "read_study": "tune_app.session.studies",
    "read_weights": "tune_app.models",
    "run_study": "tune_app.session.calls",
    "verify_results": "tune_app.session.verification",
    "write_study": "tune_app.session.studies",
}
__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
