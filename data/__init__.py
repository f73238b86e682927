"""The data sets that a study can name: one registry, `DATASETS`; sizes are known without loading anything."""

from tune_app.data.datasets import DATASETS, Dataset, DatasetEntry, load_dataset

__all__ = ["DATASETS", "Dataset", "DatasetEntry", "load_dataset"]
