"""What this installation can run: names and sizes to check a study with."""

from tune_app.data import DATASETS
from tune_app.models import MODELS
from tune_app.study import Catalog


def build_catalog() -> Catalog:
    """The models and data sets of this installation."""
    sizes = {name: (entry.train_images, entry.test_images) for name, entry in DATASETS.items()}
    return Catalog(tuple(MODELS), sizes)
