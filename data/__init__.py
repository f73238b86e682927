"""The data sets that a study can name: one registry, `DATASETS`; sizes are known without loading anything."""

from tune_app.data.datasets import DATASETS, DatasetEntry, find_data_folder, load_dataset
from tune_app.data.model import Data, Task, pick_data

__all__ = ["DATASETS", "Data", "DatasetEntry", "Task", "find_data_folder", "load_dataset", "pick_data"]
