"""The simulated learners score what they should, and the error rates are those of the product's own functions."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestCentroid

from benchmarks.null import PARTS, main
from benchmarks.null_alternatives import draw_studies, measure_alternatives
from benchmarks.null_families import (
    COMPONENTS,
    build_factorial_world,
    build_region,
    measure_claims,
    measure_factorials,
)
from benchmarks.null_learners import (
    Fits,
    Images,
    World,
    build_cells,
    compute_score,
    draw_images,
    find_right,
    fit,
    score_held_out,
    score_test,
    score_truly,
)
from benchmarks.null_power import draw_pilots, find_distance, measure_advice
from benchmarks.null_rows import build_cases, draw_runs, keep_first_fold, measure_rates
from tune_app.analysis.cells import build_pseudo_values, compute_macro_f1
from tune_app.analysis.estimands import NEW_IMAGES, THESE_IMAGES
from tune_app.analysis.t_tests import build_corrected_t_test

F1_WORLD = World(shifts=(0.5, 0.4), minority=0.2, scored="macro-F1")


def draw(world: World, folds: int = 4, replicates: int = 2) -> tuple[Images, Images, Fits]:
    source = np.random.default_rng(0)
    images, test = draw_images(source, world, 2, 200), draw_images(source, world, 2, 300)
    return images, test, fit(source, world, images, folds, replicates)


def train_by_sklearn(images: Images, fits: Fits, fold: int) -> tuple[NearestCentroid, np.ndarray]:
    """The second learner on the second data set, and the images that its fit number `fold` has not seen."""
    replicate, place = divmod(fold, fits.folds)
    held_out = fits.orders[replicate].reshape(fits.folds, -1)[place]
    kept = np.setdiff1d(np.arange(200), held_out)
    return NearestCentroid().fit(images.features[1, 1, kept], images.is_first[1, kept]), held_out


@pytest.mark.parametrize("fold", [0, 3, 6])
def test_without_noise_a_network_is_sklearns_nearest_centroid(fold: int) -> None:
    images, test, fits = draw(F1_WORLD)
    network, held_out = train_by_sklearn(images, fits, fold)
    predicted = network.predict(test.features[1, 1])
    assert (find_right(fits, test)[1, 1, fold] == (predicted == test.is_first[1])).all()
    expected = f1_score(test.is_first[1], predicted, average="macro")
    assert score_test(F1_WORLD, find_right(fits, test), test)[1, 1, fold] == pytest.approx(expected)
    expected = f1_score(images.is_first[1, held_out], network.predict(images.features[1, 1, held_out]), average="macro")
    assert score_held_out(F1_WORLD, fits, images)[1, 1, fold] == pytest.approx(expected)


@pytest.mark.parametrize("world", [F1_WORLD, World(noise=1.0)])
def test_the_true_score_is_that_of_a_test_set_without_end(world: World) -> None:
    _, _, fits = draw(world)
    many = draw_images(np.random.default_rng(1), world, 2, 100_000)
    seen = score_test(world, find_right(fits, many), many)
    assert seen == pytest.approx(score_truly(world, fits), abs=0.01)


def test_noise_of_seeds_lowers_the_true_score_and_spreads_it() -> None:
    quiet, loud = (score_truly(world, draw(world, 10, 20)[2]) for world in (World(), World(noise=1.0)))
    assert loud.mean() < quiet.mean()
    assert loud.std(axis=2).mean() > 2 * quiet.std(axis=2).mean()


def test_the_scores_of_images_are_the_products() -> None:
    _, test, fits = draw(F1_WORLD)
    right, is_first = find_right(fits, test)[1, 1], test.is_first[1]
    cells = build_cells(F1_WORLD, right, is_first)
    for row, values in zip(right, cells, strict=True):
        predicted = np.where(row, is_first, ~is_first).astype(int)
        assert values == pytest.approx(build_pseudo_values(is_first.astype(int), predicted, compute_macro_f1))
    assert (build_cells(World(), right, is_first) == right).all()


def test_macro_f1_of_counts_is_the_products_and_leaves_out_a_class_that_is_not_there() -> None:
    for counts in ([[30, 5], [2, 3]], [[30, 0], [0, 0]], [[30, 4], [0, 0]]):
        (rejections, first_error), (second_error, hits) = counts
        sizes = np.array(hits + second_error), np.array(rejections + first_error)
        score = compute_score("macro-F1", np.array(hits), np.array(rejections), *sizes)
        assert score == pytest.approx(compute_macro_f1(np.array(counts, dtype=float)))


@pytest.mark.parametrize("folds", [(4,), (4, 10)])
def test_intervals_on_a_test_set_hold_the_truth_and_find_what_is_there(folds: tuple[int, ...]) -> None:
    found = {}
    for weaker in (0.5, 0.3):
        runs = draw_runs(np.random.default_rng(1), World((0.5, weaker), noise=1.0), folds, "test", 100, 2, 50)
        rates = measure_rates(build_cases(runs), "test", (1, 2))
        assert set(rates) == {(about, count) for about in (NEW_IMAGES, THESE_IMAGES) for count in (1, 2)}
        # Of 100 intervals fewer than 87 hold the truth with a probability below 1 in 1000 if the rate is 95%.
        assert all(rate.coverage >= 0.87 and rate.is_tested for rate in rates.values()), rates
        found[weaker] = rates[NEW_IMAGES, 2].found
    assert found[0.3] > 0.5 > 0.15 > found[0.5]


def test_held_out_scores_have_p_values_from_the_products_fewest_replicates() -> None:
    runs = draw_runs(np.random.default_rng(1), World(noise=1.0), (4,), "held-out", 50, 3, 50)
    rates = measure_rates(build_cases(runs), "held-out", (1, 2, 3))
    assert {key: rate.is_tested for key, rate in rates.items()} == {
        (NEW_IMAGES, 1): False,
        (NEW_IMAGES, 2): True,
        (NEW_IMAGES, 3): True,
        (THESE_IMAGES, 2): False,
        (THESE_IMAGES, 3): True,
    }
    assert all(rate.coverage >= 0.82 for rate in rates.values()), rates


def test_one_fold_of_each_replicate_keeps_its_scores_with_its_images() -> None:
    (case,) = build_cases(draw_runs(np.random.default_rng(1), World(noise=1.0), (4,), "test", 1, 3, 1))
    (side,) = keep_first_fold(case).sides
    assert side.cells is not None
    assert side.scores.shape == (3, 1)
    assert side.cells.mean(axis=1) == pytest.approx(side.scores[:, 0])


def test_holm_keeps_the_errors_of_a_family_of_claims_low() -> None:
    world = World((0.5,) * 9, tuple((i,) for i in range(9)), noise=1.0)
    runs = list(draw_runs(np.random.default_rng(1), world, (4,), "test", 60, 1, 50))
    rate = measure_claims(runs, "test", NEW_IMAGES, 1, n_true=0)
    assert rate.wrong <= 9 / 60 < rate.wrong_unadjusted
    assert math.isnan(rate.supported)
    assert measure_claims(runs, "test", NEW_IMAGES, 1, n_true=8).supported > 0.2


def test_the_effect_lies_on_the_edge_of_a_claim_that_is_not_true() -> None:
    assert build_region(0.01, False, "higher") == (0.01, np.inf)
    assert build_region(0.01, False, "lower") == (-np.inf, 0.01)
    low, high = build_region(0.01, False, "equal")
    assert low < high == 0.01
    low, high = build_region(0.01, True, "equal")
    assert low < 0.01 < high


def test_effects_of_a_factorial_are_covered_and_strong_ones_found() -> None:
    found = {}
    for gain in (0.0, 0.3):
        world = build_factorial_world(gain, noise=1.0)
        assert world.means.shape == (4, 10)
        assert len(COMPONENTS) == 2
        runs = draw_runs(np.random.default_rng(1), world, (4,), "test", 30, 1, 50)
        rates = measure_factorials(runs, "test", NEW_IMAGES, 1)
        assert all(rate.coverage >= 0.8 and rate.wrong <= 0.25 for rate in rates.values()), rates
        found[gain] = rates["main effect"].found
    assert found[0.3] > 0.5 > found[0.0]


def test_advice_for_a_greater_distance_asks_for_fewer_replicates() -> None:
    world, about = World(noise=3.0), THESE_IMAGES
    pairs = list(draw_pilots(np.random.default_rng(1), world, 4, "test", about, 20))
    distance = find_distance(pairs, "test", about, 5)
    near, far = (measure_advice(pairs, "test", about, 2, times * distance) for times in (1, 2))
    assert [advice.target for advice in near] == [0.8, 0.9]
    assert near[0].quartiles[1] <= near[1].quartiles[1]
    assert far[0].quartiles[1] < near[0].quartiles[1]
    assert all(0.4 <= advice.power <= 1 for advice in (*near, *far))


@pytest.mark.parametrize("folds", [4, 10])
def test_under_the_correlation_of_folds_the_corrected_error_is_five_percent_and_the_naive_one_is_not(
    folds: int,
) -> None:
    source, n = np.random.default_rng(1), 3 * folds
    shared, own = source.normal(0, 1, (2000, 1)), source.normal(0, 1, (2000, n))
    differences = math.sqrt(1 / folds) * shared + math.sqrt(1 - 1 / folds) * own
    corrected = np.mean([build_corrected_t_test(row, folds).p_value < 0.05 for row in differences])
    assert 0.035 < corrected < 0.065
    assert np.mean(stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05) > 0.2


def test_what_each_image_scored_while_held_out_averages_to_the_scores_of_the_folds() -> None:
    studies = list(draw_studies(np.random.default_rng(1), World(noise=1.0), 4, "held-out", 3, 2))
    assert len(studies) == 3
    for study in studies:
        assert study.cells.shape == (2, 200)
        assert study.cells.mean(axis=1) == pytest.approx(study.differences.mean(axis=1))


def test_other_intervals_on_a_test_set_miss_what_they_do_not_speak_of() -> None:
    studies = draw_studies(np.random.default_rng(1), World(noise=1.0), 4, "test", 60, 3)
    rates = measure_alternatives(studies, "test", (1, 3))
    assert rates["t over fits", NEW_IMAGES, 3] < rates["corrected resampled", NEW_IMAGES, 3] < 0.8
    assert rates["corrected resampled", THESE_IMAGES, 3] > 0.95
    assert ("t over replicate means", THESE_IMAGES, 1) not in rates


def test_a_table_stands_with_the_command_that_gives_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rows", "held-out-unpaired", "--data-sets", "2", "--seed", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "`python -m benchmarks.null --rows held-out-unpaired --data-sets 2 --seed 3`"
    assert lines[3].startswith("| true effect | speaks of | K ")
    assert {line.count("|") for line in lines[3:-1]} == {11}
    assert len(lines[5:-1]) == 4  # of these images alone: unpaired held-out scores cannot speak of new ones
    with pytest.raises(SystemExit):
        main(["--rows", "nothing"])
    assert "nothing" not in PARTS
