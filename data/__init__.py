"""The data sets that a study can name: one registry, `DATASETS`; sizes are known without loading anything."""

from tune_app.data.datasets import DATASETS, Dataset, DatasetEntry, find_data_folder, load_dataset

__all__ = ["DATASETS", "Dataset", "DatasetEntry", "find_data_folder", "load_dataset"]
