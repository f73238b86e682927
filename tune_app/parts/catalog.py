"""What this installation can run: names and sizes to check a study with."""

from tune_app.data import DATASETS
from tune_app.models import MODELS
from tune_app.study import Catalog

# The parts that ship, by kind: a name → the function that builds it, which a user's reference could name as well.
SHIPPED_PARTS: dict[str, dict[str, str]] = {
    "optimizer": {name: f"tune_app.parts.optimizers:{name}" for name in ("adam", "adamw", "sgd")},
    "loss": {"auto": "tune_app.parts.losses:auto"},
    "schedule": {"constant": "tune_app.parts.schedules:constant"},
    "augment": {"none": "tune_app.parts.augmentations:none"},
    "splitter": {"kfold": "", "stratified": ""},
    "metric": {},
}


def build_catalog() -> Catalog:
    """The models and data sets of this installation."""
    sizes = {name: (entry.train_images, entry.test_images) for name, entry in DATASETS.items()}
    return Catalog(tuple(MODELS), sizes, parts={kind: tuple(parts) for kind, parts in SHIPPED_PARTS.items()})
