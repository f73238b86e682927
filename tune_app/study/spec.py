"""A trial's content, and the id that comes from it alone."""

import hashlib
import json
from functools import lru_cache
from typing import Any

from tune_app.study.factors import FACTORS, OWN_FACTORS, Frozen, Recipe, Regularizer, Splitter
from tune_app.study.protocol import Protocol, joins_folds, keep_training, slices_batches, spell_protocol


class TrialSpec(Frozen):
    """One condition × one replicate, with all its folds: everything that its scores depend on."""

    dataset: str
    train_images: int | None
    test_images: int | None
    splitter: Splitter
    seed: int
    replicate: int
    model: str
    width: float
    regularizer: Regularizer
    folds: int
    protocol: Protocol = ()
    batch_slices: int = 4
    recipe: Recipe

    @property
    def id(self) -> str:
        """A readable name with a hash of the content, such as `cnn-dropout-k4-r0-1f0c5a7e`."""
        return _build_id(self)

    @property
    def condition(self) -> dict[str, Any]:
        """The level of every factor, by the factor's name."""
        flat = self.recipe.model_dump() | {name: getattr(self, name) for name in OWN_FACTORS}
        flat["protocol"] = spell_protocol(self.protocol, self.regularizer)
        return {name: flat[name] for name in FACTORS}

    @property
    def training(self) -> "TrialSpec":
        """The trial whose fits this one shares: the same but for defects that leave the training as it is."""
        return self.model_copy(update={"protocol": keep_training(self.protocol)})

    @property
    def has_dependent_folds(self) -> bool:
        """Whether one network goes through all folds, so that they are one observation."""
        return joins_folds(self.protocol)


@lru_cache(maxsize=65_536)  # asked for with every record
def _build_id(spec: TrialSpec) -> str:
    # Defaults are left out of the hash: a field added to Recipe later must not change the ids of old records.
    content = spec.model_dump(mode="json") | {"recipe": spec.recipe.model_dump(mode="json", exclude_defaults=True)}
    if not spec.protocol:
        del content["protocol"]
    slices = content.pop("batch_slices")
    if slices_batches(spec.protocol):
        content["replicas"] = slices  # the factor's name when the first ids were made
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    model = spec.model if spec.width == 1 else f"{spec.model}x{spec.width:g}"
    spelled = spec.condition["protocol"].replace(" ", "-")
    protocol = f"-{spelled}" if spec.protocol else ""
    return f"{model}-{spec.regularizer}-k{spec.folds}-r{spec.replicate}{protocol}-{digest}"
