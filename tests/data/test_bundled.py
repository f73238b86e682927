"""scikit-learn's sets, as scikit-learn has them."""

import numpy as np
import pytest
from sklearn import datasets

from tune_app.data.bundled import BUNDLED, load_bundled
from tune_app.data.checks import check_data
from tune_app.errors import DataError

TABLES = [name for name in BUNDLED if name != "digits"]


@pytest.mark.parametrize("name", TABLES)
def test_tables_hold_what_scikit_learn_holds(name: str) -> None:
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    data = load_bundled(name)  # type: ignore[arg-type]
    np.testing.assert_allclose(data.inputs, bunch.data, rtol=1e-6)
    np.testing.assert_array_equal(data.targets, bunch.target)
    assert data.classes == (() if name == "diabetes" else tuple(bunch.target_names))
    assert data.task == ("regression" if name == "diabetes" else "classification")
    assert data.test is None
    assert check_data(data, name) == []


def test_digits_are_images_in_grey_levels() -> None:
    data = load_bundled("digits")
    assert data.inputs.shape == (1797, 1, 8, 8)
    assert data.inputs.dtype == np.uint8
    np.testing.assert_array_equal(data.inputs[:, 0] / 15, datasets.load_digits().images)
    assert data.classes == tuple("0123456789")
    assert check_data(data, "digits") == []


def test_an_unknown_name_is_answered_with_a_near_match() -> None:
    with pytest.raises(DataError, match=r"did you mean 'iris'\?"):
        load_bundled("irsi")  # type: ignore[arg-type]
