"""The data sets that a study can name: one registry, `DATASETS`; sizes are known without loading anything."""

from data.datasets import DATASETS, DataError, Dataset, DatasetEntry, load_dataset

__all__ = ["DATASETS", "DataError", "Dataset", "DatasetEntry", "load_dataset"]
