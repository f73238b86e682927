"""Claims: sentences that a contrast can support or refute, and the metrics that they may name."""

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from tune_app.study.factors import FACTORS, Count, Frozen, Level, Share, rename_former
from tune_app.study.metrics import is_epoch_metric
from tune_app.study.protocol import parse_protocol

Metric = str  # with the part that it is of: test_accuracy, validation_loss
EPOCH_METRICS = ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss")
OF_SHARES = ("_accuracy", "_accuracy_auc", "_f1")
ACCURACIES = ("test_accuracy", "train_accuracy", "validation_accuracy", "validation_accuracy_auc")


Window = tuple[Count, Count]


class Claim(Frozen):
    """A sentence that a contrast can support or refute.

    The contrast is the mean over all pairs of conditions of which one has `levels` and the other, its other factors
    being equal as far as both models have them, `against`. `epochs` is the window [first, last] that an epoch metric is
    averaged over, the last epoch if left out; `against_epochs` is the other side's window, the same if left out. `by`
    is the margin beyond which an effect counts as higher or lower, and within which it counts as equal: for accuracies
    the study's `rope` if left out, for other metrics 0. `between` has the least and the greatest effect that
    `expect: between` allows.
    """

    sentence: Annotated[str, Field(min_length=1)]
    metric: Metric = "test_accuracy"
    levels: dict[str, Level]
    against: dict[str, Level] = Field(default_factory=dict)
    epochs: Window | None = None
    against_epochs: Window | None = None
    expect: Literal["higher", "lower", "equal", "between"]
    by: Share | None = None
    between: tuple[FiniteFloat, FiniteFloat] | None = None

    @field_validator("levels", "against", mode="before")
    @classmethod
    def _former(cls, levels: Any) -> Any:
        return rename_former(levels) if isinstance(levels, dict) else levels

    @field_validator("levels", "against")
    @classmethod
    def _known(cls, levels: dict[str, Level]) -> dict[str, Level]:
        for name, level in levels.items():
            if isinstance(level, bool) and name in FACTORS and name not in ("compile", "batchnorm_sync"):
                raise ValueError(f"{name}: a level is a name or a number, not {level!r}")
        if "protocol" in levels:
            parse_protocol(str(levels["protocol"]))
        return levels

    @field_validator("epochs", "against_epochs")
    @classmethod
    def _in_order(cls, window: Window | None) -> Window | None:
        if window and window[0] > window[1]:
            raise ValueError(f"the window {list(window)} ends before it begins; write [first, last], such as [1, 2]")
        return window

    @model_validator(mode="after")
    def _consistent(self) -> "Claim":
        problems = []
        if not self.against and self.against_epochs is None:
            problems.append("it is compared with nothing; add against, such as {regularizer: none}, or against_epochs")
        if not is_epoch_metric(self.metric) and (self.epochs or self.against_epochs):
            problems.append(
                f"{self.metric} has no epochs; leave the window out, or choose from {', '.join(EPOCH_METRICS)}"
            )
        if (self.expect == "between") != (self.between is not None):
            problems.append("expect: between goes with between: [least, greatest] effect, such as [0.005, 0.015]")
        elif self.between and not self.between[0] < self.between[1]:
            problems.append(f"between {list(self.between)}: write the smaller effect first, such as [0.005, 0.015]")
        if self.expect == "between" and self.by is not None:
            problems.append("by is no margin of expect: between; leave it out")
        if self.expect == "equal" and self.by is None and not self.metric.endswith(OF_SHARES):
            problems.append(f"expect equal: {self.metric} needs a margin; add by, in the metric's unit")
        if problems:
            raise ValueError("\n".join(problems))
        return self
