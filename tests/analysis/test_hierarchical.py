"""The hierarchical test over data sets: baycomp's numbers by Stan, quadrature, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import integrate, stats

from tests.builders import build_results, build_study
from tests.session.test_own_designs import write_parts
from tune_app.analysis.hierarchical import (
    Within,
    build_within,
    build_within_folds,
    sample_posterior,
)
from tune_app.analysis.over_data import build_data_sets
from tune_app.analysis.t_tests import build_corrected_t_test
from tune_app.errors import RefusedError
