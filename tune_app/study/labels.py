"""What the conditions of a study are called: by its own labels, else by the levels that vary, in plain words."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from tune_app.study.designs import spell_present
from tune_app.study.expansion import ExpandedStudy, has_levels
from tune_app.study.factors import FACTORS, TABLE
from tune_app.study.protocol import SOUND
from tune_app.study.schema import LONGEST_LABEL, Label
from tune_app.study.signatures import QUALIFIER

Condition = Mapping[str, Any]  # factor → level, for every factor
Piece = tuple[str, tuple[str, ...]]  # words, and the factors that they stand for
Name = tuple[Piece, ...]
WORDINGS = {factor.name: factor.wording for factor in TABLE} | {"width": "width {:g}", "regularizer": "{}"}
NAMING = ("model", "regularizer")  # what makes a condition's name where no label does
ALWAYS_CAPTIONED = ("protocol", "folds", "batch_size")


def spell_level(factor: str, level: Any) -> str:
    """The level in plain words, such as `4 folds` or `batches of 100`."""
    if factor == "regularizer" and level == "none":
        return "no regularizer"
    if factor == "train_images" and level is None:
        return "all images"
    if level is None:
        return f"no {spell_factor(factor)}"
    if isinstance(level, bool):
        return spell_factor(factor) if level else f"no {spell_factor(factor)}"
    text = f"{level:g}" if isinstance(level, float) else str(level)
    wording = WORDINGS.get(factor) or f"{spell_factor(factor)} {text}"
    return re.sub(r"^1 (\w+)s\b", r"1 \1", wording.format(level))


def spell_factor(factor: str) -> str:
    """A factor that is an argument of a network, in words."""
    return factor.removeprefix(QUALIFIER).replace("_", " ")


def spell_constant(factor: str, level: Any) -> str:
    """The level as a caption spells it, where no other level stands beside it to explain it."""
    if factor != "protocol":
        return spell_level(factor, level)
    return f"protocol {level}" if " " in level or "+" in level else f"{level} protocol"


class Labelling:
    """Labels of `members`: all conditions of a study, or those of one table.

    A label is the condition's name (the study's labels, else model and regularizer as far as they vary), followed by
    the levels of the other factors that vary: those that differ among the members of that name, and those that are
    not the level of `reference`, or in another model the one that it has by itself (`own`, by model). So labels are
    unique among the members and leave out what goes without saying. `varying` are the factors that vary in the whole
    study; `captioned` are those that captions name in any case.
    """

    def __init__(
        self,
        members: Sequence[Condition],
        labels: Sequence[Label],
        reference: Condition,
        varying: Sequence[str],
        captioned: Sequence[str] = ALWAYS_CAPTIONED,
        own: Mapping[str, Condition] | None = None,
    ) -> None:
        self.members = tuple(members)
        self.varying = tuple(varying)
        self._captioned = tuple(captioned)
        self._labels = sorted(labels, key=lambda label: -len(label.levels))  # the most specific one is tried first
        self._reference = reference
        self._own = own or {}
        self._order = {factor: place for place, factor in enumerate(reference)}

    def within(self, members: Sequence[Condition]) -> "Labelling":
        """Labels of some of the members, without what these have in common."""
        return Labelling(members, self._labels, self._reference, self.varying, self._captioned, self._own)

    def label(self, condition: Condition, leave_out: Collection[str] = ()) -> str:
        """The label of a member; a condition from elsewhere is also named by what no member has."""
        name = self._build_name(condition)
        pieces = [piece for piece in name if piece not in self._common]
        covered = {factor for _, factors in name for factor in factors}
        alike = self._levels_by_name.get(name, {})
        expected = self._find_expected(condition)
        for factor in self.varying:
            level, levels = condition[factor], self._levels[factor]
            differs = len(alike.get(factor, ())) > 1 or level != expected[factor]
            is_shown = differs if len(levels) > 1 else level not in levels
            is_absent = level is None and factor not in FACTORS  # an argument that this network does not take
            if is_shown and not is_absent and factor not in covered and factor not in leave_out:
                pieces.append((spell_level(factor, level), (factor,)))
        return self._join(pieces) or self._join(self._build_full_name(condition))

    def _find_expected(self, condition: Condition) -> Condition:
        """The levels that go without saying."""
        is_another = condition["model"] != self._reference["model"]
        return {**self._reference, **(self._own.get(condition["model"], {}) if is_another else {})}

    def build_caption(self, leave_out: Collection[str] = ()) -> str:
        """What the members have in common, such as `sound protocol, 4 folds, batches of 100`."""
        condition = self.members[0]
        names = [self._build_full_name(member) for member in self.members]
        common = set.intersection(*map(set, names))
        covered = set.intersection(*({factor for _, factors in name for factor in factors} for name in names))
        named = {*self.varying, *self._captioned, "width"} - (
            {"width"} if condition.get("width") in (None, 1) else set()
        )
        constants = [
            spell_constant(factor, condition[factor])
            for factor in dict.fromkeys(("width", "protocol", *self._order))
            if factor in self._order
            and factor in named
            and factor not in covered
            and factor not in leave_out
            and len(self._levels[factor]) == 1
        ]
        return ", ".join([*filter(None, [self._join(list(common))]), *constants])

    def find_labels(self) -> list[Label]:
        """Those of the study's labels that the members have, in the order of the members."""
        found = (label for member in self.members for label in self._find_labels(member))
        return list({label.label: label for label in found}.values())

    def find_shared(self) -> list[str]:
        """The labels that two or more members have: there are none unless the study's own labels are ambiguous."""
        return [label for label, count in Counter(map(self.label, self.members)).items() if count > 1]

    @cached_property
    def _levels(self) -> dict[str, set[Any]]:
        return {factor: {member[factor] for member in self.members} for factor in self._order}

    @cached_property
    def _levels_by_name(self) -> dict[Name, dict[str, set[Any]]]:
        found: dict[Name, dict[str, set[Any]]] = {}
        for member in self.members:
            levels = found.setdefault(self._build_name(member), {factor: set() for factor in self.varying})
            for factor in self.varying:
                levels[factor].add(member[factor])
        return found

    @cached_property
    def _common(self) -> set[Piece]:
        return set.intersection(*map(set, self._levels_by_name))

    def _find_labels(self, condition: Condition) -> list[Label]:
        """The study's labels that apply, no two of which stand for a level of the same factor."""
        found: list[Label] = []
        for label in self._labels:
            taken = {factor for other in found for factor in other.levels}
            if not taken & set(label.levels) and has_levels(condition, label.levels):
                found.append(label)
        return found

    def _build_name(self, condition: Condition) -> Name:
        """The pieces that can vary in the study."""
        labels = [label for label in self._find_labels(condition) if set(self.varying) & set(label.levels)]
        return self._build_pieces(condition, labels, [factor for factor in NAMING if factor in self.varying])

    def _build_full_name(self, condition: Condition) -> Name:
        """The name with what is constant in the study, too; no regularizer at all goes without saying."""
        is_told = "regularizer" in self.varying or condition.get("regularizer") not in (None, "none")
        return self._build_pieces(condition, self._find_labels(condition), NAMING if is_told else NAMING[:1])

    def _build_pieces(self, condition: Condition, labels: Sequence[Label], factors: Sequence[str]) -> Name:
        covered = {factor for label in labels for factor in label.levels}
        pieces = [(label.label, tuple(label.levels)) for label in labels]
        told = [factor for factor in factors if factor not in covered and condition.get(factor) is not None]
        pieces += [(spell_level(factor, condition[factor]), (factor,)) for factor in told]
        return tuple(pieces)

    def _join(self, pieces: Sequence[Piece]) -> str:
        """The words in the order of the factors."""
        ordered = sorted(pieces, key=lambda piece: min(self._order[factor] for factor in piece[1]))
        return ", ".join(words for words, _ in ordered)


def build_labelling(study: ExpandedStudy) -> Labelling:
    """Labels of all conditions; the levels of the baseline, else of the first condition, go without saying."""
    conditions = [specs[0].condition for specs in study.conditions()]
    factors = study.factors
    named = study.baseline.model_dump(exclude_none=True)
    reference = next((condition for condition in conditions if has_levels(condition, named)), conditions[0])
    varying = [factor for factor in factors if len({condition[factor] for condition in conditions}) > 1]
    # The defects are those of one report's code: where nobody asks for one, a user's own study has no protocol to name.
    is_plain = bool(study.define) and all(condition["protocol"] == SOUND for condition in conditions)
    captioned = [factor for factor in ALWAYS_CAPTIONED if factor != "protocol" or not is_plain]
    own: dict[str, dict[str, Any]] = {}
    for spec, *_ in study.conditions():
        own.setdefault(spec.model, {}).update({name: spec.arguments[name] for name in spec.implied})
    labels = [*study.labels, *build_design_labels(study)]
    return Labelling(conditions, labels, reference, varying, captioned, own)


def build_design_labels(study: ExpandedStudy) -> list[Label]:
    """`full`, `full without norm`, `base`, `base with norm`: what the conditions of a design are called."""
    found: dict[tuple[tuple[str, Any], ...], Label] = {}
    for design in study.designs():
        own = dict.fromkeys(factor for part in design.entry.parts.values() for factor in part.factors)
        for present, specs in design.conditions.items():
            levels = {name: specs[0].condition[name] for name in own}
            if all(level is not None for level in levels.values()):
                label = spell_present(present, design.components)
                found.setdefault(tuple(levels.items()), Label(label=label[:LONGEST_LABEL], **levels))
    return list(found.values())
