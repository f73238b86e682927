"""What a study is: a frozen object, valid from birth, with no torch and no Ray behind it."""

from functools import cached_property

from pydantic import ValidationInfo, model_validator

from tune_app.study.checks import find_problems
from tune_app.study.entries import Catalog
from tune_app.study.expansion import ExpandedStudy
from tune_app.study.labels import Labelling, build_labelling


class Study(ExpandedStudy):
    """The question: a data set, a recipe, a splitter, and the grid of conditions to compare.

    It multiplies out into `TrialSpec`s, whose ids come from their content alone: reordering or extending a study leaves
    the ids, and with them the records, of what stays. `Study(...)` raises StudyError with every problem.
    """

    @cached_property
    def labelling(self) -> Labelling:
        """How the conditions are called."""
        return build_labelling(self)

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> "Study":
        catalog: Catalog | None = info.context
        problems = [] if catalog and catalog.is_lenient else find_problems(self, catalog)
        if problems:
            raise ValueError("\n".join(problems))
        return self
