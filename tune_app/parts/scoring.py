"""Which metrics a study scores by, and their values from outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from tune_app.data import Task
from tune_app.errors import RefusedError
from tune_app.parts.catalog import locate
from tune_app.parts.metrics import (
    Metric,
    build_users_metric,
    compute_from_labels,
    compute_labels,
    compute_metric,
    find_metric,
)
from tune_app.study import Study
from tune_app.study.define import Definition

PRIMARY: dict[Task, str] = {"classification": "accuracy", "multilabel": "subset_accuracy", "regression": "rmse"}

LONGEST_REASON = 500  # characters of a record


@dataclass(frozen=True)
class Scoring:
    """The metrics that a study names, the primary one first, and those that it defines; none for accuracy alone."""

    names: tuple[str, ...] = ()
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    keep_scores: bool = False

    def find(self, name: str) -> Metric:
        """The metric of that name: the study's own, or one that ships."""
        definition = self.definitions.get(name)
        if definition is None:
            return find_metric(name)
        if ":" not in definition.reference:
            return find_metric(definition.reference)
        return build_users_metric(
            name,
            locate("metric", definition.reference),
            dict(definition.arguments),
            definition.better or "higher",
            definition.unit or "",
            definition.needs or "scores",
        )

    def choose_primary(self, task: Task) -> str:
        """The primary metric, the task's own where the study names none."""
        return self.names[0] if self.names else PRIMARY[task]

    def keeps_outputs(self, task: Task, has_test_part: bool) -> bool:
        """Whether outputs go to side files: where labels alone do not give every score again."""
        needs = any(self.find(name).needs == "scores" for name in self.names)
        return self.keep_scores or needs or task != "classification" or not has_test_part

    def compute(
        self,
        names: tuple[str, ...],
        outputs: NDArray[Any],
        targets: NDArray[Any],
        task: Task,
        *,
        labels: NDArray[Any] | None = None,
        has_scores: bool = True,
    ) -> dict[str, float]:
        """The values by name; those that are undefined for these targets are left out, and so are scores of labels."""
        return self.explain(names, outputs, targets, task, labels=labels, has_scores=has_scores)[0]

    def explain(
        self,
        names: tuple[str, ...],
        outputs: NDArray[Any],
        targets: NDArray[Any],
        task: Task,
        *,
        labels: NDArray[Any] | None = None,
        has_scores: bool = True,
    ) -> tuple[dict[str, float], dict[str, str]]:
        """The values by name, and for each that is left out the reason, a clause without a stop."""
        found, reasons = dict[str, float](), dict[str, str]()
        for name in names:
            metric = self.find(name)
            try:
                if metric.needs == "labels" and task != "regression":
                    named = compute_labels(outputs, task) if labels is None else labels
                    found[name] = compute_from_labels(metric, targets, named, task, outputs.shape[-1])
                elif has_scores:
                    found[name] = compute_metric(metric, targets, outputs, task)
                else:
                    reasons[name] = "it needs scores, and these are labels alone"
            except RefusedError as refusal:
                reason = str(refusal).removeprefix(f"{metric.name} is undefined: ").rstrip(".")
                reasons[name] = reason.removeprefix(f"{metric.name}: ")[:LONGEST_REASON]
        return found, reasons


def build_scoring(study: Study) -> Scoring:
    """What the study scores by."""
    definitions = {name: part for name, part in study.define.items() if part.kind == "metric"}
    return Scoring(study.metrics.named, definitions, study.metrics.keep_scores)
