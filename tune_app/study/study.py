"""What a study is: a frozen object, valid from birth, with no torch and no Ray behind it."""

from pydantic import ValidationInfo, model_validator

from tune_app.study.checks import find_problems
from tune_app.study.expansion import ExpandedStudy
from tune_app.study.schema import Catalog


class Study(ExpandedStudy):
    """The question: a data set, a recipe, a splitter, and the grid of conditions to compare.

    It multiplies out into `TrialSpec`s, whose ids come from their content alone: reordering or extending a study leaves
    the ids, and with them the records, of what stays. Raises pydantic's ValidationError with every problem.
    """

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> "Study":
        catalog: Catalog | None = info.context
        problems = find_problems(self, catalog)
        if problems:
            raise ValueError("\n".join(problems))
        return self
