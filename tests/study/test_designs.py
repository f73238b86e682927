"""Ablation designs: what a component is, which conditions a design has, and what a fraction cannot tell apart."""

import itertools
from collections import Counter

import pytest

from tune_app.errors import StudyError
from tune_app.study.designs import MAX_FACTORIAL, build_conditions, build_levels, read_components, spell_present
from tune_app.study.fractions import FRACTIONS, LETTERS, build_fraction, choose_generators, find_aliases

CONTENT = {
    "norm": {"with": "batch", "without": "none"},
    "schedule": {"with": "cosine5", "without": {"schedule": "constant", "learning_rate": 0.0003}},
    "augment": {"with": "flips", "without": "none"},
}
NAMES = ("norm", "dropout", "activation", "schedule")
ALL = {(count, generators) for count, fractions in FRACTIONS.items() for _, generators in fractions}


def problems_of(content: object) -> tuple[str, ...]:
    with pytest.raises(StudyError) as caught:
        read_components(content)
    return caught.value.problems


def find_words(generators: tuple[str, ...]) -> list[frozenset[str]]:
    """The defining relation by its algebra: products of the generators' words, without letters in pairs."""
    words = [frozenset(generator.replace("=", "")) for generator in generators]
    products = []
    for size in range(1, len(words) + 1):
        for chosen in itertools.combinations(words, size):
            product: frozenset[str] = frozenset()
            for word in chosen:
                product ^= word
            products.append(product)
    return products


def count_word_lengths(generators: tuple[str, ...]) -> tuple[int, ...]:
    counts = Counter(map(len, find_words(generators)))
    return tuple(counts[length] for length in range(1, 9))


def test_a_side_is_a_level_of_the_factor_of_that_name_or_several_factors() -> None:
    components = read_components(CONTENT)
    assert list(components) == ["norm", "schedule", "augment"]
    assert components["norm"].with_ == {"norm": "batch"}
    assert components["schedule"].factors == ("schedule", "learning_rate")
    assert build_levels(components, {"schedule"}) == {"norm": "none", "schedule": "cosine5", "augment": "none"}
    assert build_levels(components, {"norm", "augment"}) == {
        "norm": "batch",
        "schedule": "constant",
        "learning_rate": 0.0003,
        "augment": "flips",
    }


@pytest.mark.parametrize(
    ("sides", "sentence"),
    [
        ({"with": "batch"}, "the side 'without' is missing"),
        ({"with": "batch", "without": None}, "the side 'without' is missing"),
        ({"with": "batch", "without": "batch"}, "both sides are 'batch', so there is nothing to compare"),
        ({"with": "batch", "without": {"norm": "batch"}}, "there is nothing to compare"),
        ({"with": "batch", "wihtout": "none"}, "unknown side 'wihtout'; did you mean 'without'?"),
        ({True: "batch", False: "none"}, "what YAML makes of on, off, yes and no"),
        (
            {"with": ["batch", "layer"], "without": "none"},
            "with: a level is a name or a number, not ['batch', 'layer']",
        ),
        ({"with": {}, "without": "none"}, "the side 'with' sets no factor"),
        ({"with": {"norm": None}, "without": "none"}, "with: norm: a level is a name or a number, not None"),
        ("batch", "'batch' has no two sides; write NAME: {with: LEVEL, without: LEVEL}"),
    ],
)
def test_a_component_that_cannot_be_taken_out_is_refused_with_a_sentence(sides: object, sentence: str) -> None:
    problems = problems_of({"norm": sides})
    assert all(problem.startswith("component norm: ") for problem in problems)
    assert any(sentence in problem for problem in problems), problems


def test_true_and_1_are_two_sides() -> None:
    assert read_components({"bias": {"with": True, "without": 1}})["bias"].with_ == {"bias": True}


def test_everything_that_is_wrong_with_components_is_said_at_once() -> None:
    content = {"a b": {"with": 1, "without": 2}, "norm": {"with": 1}, "one": {"with": {"p": 1}, "without": {"p": 2}}}
    content["two"] = {"with": {"p": 3}, "without": {"q": 1}}
    problems = problems_of(content)
    assert len(problems) == 3
    assert problems[0].startswith("component a b: a name is")
    assert problems[2] == "components one and two both set p; a factor belongs to one component"
    assert "one or more are needed" in problems_of({})[0]
    assert "one or more are needed" in problems_of(["norm"])[0]


def test_a_factorial_has_every_condition_once_and_the_full_system_first() -> None:
    conditions = build_conditions("factorial", NAMES)
    assert len(conditions) == len(set(conditions)) == 16
    assert (conditions[0], conditions[-1]) == (frozenset(NAMES), frozenset())


def test_leaving_out_starts_from_the_full_system_and_adding_in_from_the_base() -> None:
    components = read_components(CONTENT)
    spelt = [spell_present(present, components) for present in build_conditions("leave-one-out", components)]
    assert spelt == ["full", "full without norm", "full without schedule", "full without augment"]
    added = build_conditions("add-one-in", components)
    assert [spell_present(p, components) for p in added] == ["base", "base + norm", "base + schedule", "base + augment"]
    assert build_conditions("one-at-a-time", components) == added


def test_two_designs_share_the_conditions_that_both_have() -> None:
    both = ["leave-one-out", "add-one-in"]
    assert len(build_conditions(both, NAMES)) == 2 * len(NAMES) + 2
    assert len(build_conditions(both, NAMES[:2])) == 4  # full − a is base + b
    assert build_conditions(["factorial", *both], NAMES) == build_conditions("factorial", NAMES)


@pytest.mark.parametrize(
    ("design", "names", "sentence"),
    [
        ("leave-one-ot", NAMES, "unknown design 'leave-one-ot'; did you mean 'leave-one-out'?"),
        (["factorial", "factorial"], NAMES, "design factorial is listed twice"),
        ([], NAMES, "an empty list of designs"),
        ("factorial", (), "a design without components"),
        ("factorial", ("norm", "norm"), "component norm is listed twice"),
        ("factorial", tuple(LETTERS[:7]), "takes up to 6 components (64 conditions) and has 7 (128)"),
        ("fractional", ("norm",), "takes 3 to 8 components and has 1; use design: factorial"),
        ("fractional", tuple("abcdefghi"), "takes 3 to 8 components and has 9; use design: [leave-one-out"),
        ("fractional", NAMES[:3], "no fraction of 3 components has resolution 4, the highest is 3"),
    ],
)
def test_a_design_that_cannot_be_built_is_refused_with_a_sentence(
    design: str | list[str], names: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(StudyError, match=r".") as caught:
        build_conditions(design, names)
    assert sentence in str(caught.value)


def test_the_largest_factorial_and_a_resolution_that_does_not_exist() -> None:
    assert len(build_conditions("factorial", LETTERS[:MAX_FACTORIAL])) == 64
    with pytest.raises(StudyError, match="resolution 2; a fractional design has resolution 3, 4, 5"):
        choose_generators(5, 2)


@pytest.mark.parametrize(("count", "generators"), sorted(ALL))
def test_a_fraction_is_orthogonal_and_has_the_resolution_that_it_claims(
    count: int, generators: tuple[str, ...]
) -> None:
    names = LETTERS[:count]
    conditions = build_fraction(names, generators)
    assert len(set(conditions)) == 2 ** (count - len(generators))
    assert conditions[0] == frozenset(names)
    claimed = {reached for reached, known in FRACTIONS[count] if known == generators}
    assert claimed == {min(map(len, find_words(generators)))}
    # As of the conditions themselves: fewer components than the resolution take all their combinations equally often.
    for size in range(1, min(claimed)):
        for chosen in itertools.combinations(names, size):
            shown = Counter(frozenset(chosen) & present for present in conditions)
            assert set(shown.values()) == {len(conditions) // 2**size}, chosen


@pytest.mark.parametrize(("count", "generators"), sorted(ALL))
def test_no_other_fraction_of_the_size_has_less_aberration(count: int, generators: tuple[str, ...]) -> None:
    free = count - len(generators)
    words = ["".join(w) for size in range(2, free + 1) for w in itertools.combinations(LETTERS[:free], size)]
    letters = LETTERS[free:count]
    least = min(
        count_word_lengths(tuple(f"{letter}={word}" for letter, word in zip(letters, chosen, strict=True)))
        for chosen in itertools.combinations(words, len(letters))
    )
    assert count_word_lengths(generators) == least


@pytest.mark.parametrize(("count", "generators"), sorted(ALL))
def test_the_aliases_are_those_of_the_defining_relation(count: int, generators: tuple[str, ...]) -> None:
    names = LETTERS[:count]
    effects = [frozenset(e) for size in (1, 2) for e in itertools.combinations(names, size)]
    expected = {
        frozenset({first, second})
        for word in find_words(generators)
        for first in effects
        if (second := first ^ word) in effects
    }
    said = set()
    for sentence in find_aliases(names, generators):
        first, others = sentence.split(" is aliased with ")
        group = [frozenset(effect.split(":")) for effect in (first, *others.split(" and "))]
        said |= {frozenset(pair) for pair in itertools.combinations(group, 2)}
    assert said == expected


def test_aliases_are_sentences_with_the_names_of_the_components() -> None:
    assert find_aliases(NAMES, choose_generators(4, 4)) == [
        "norm:dropout is aliased with activation:schedule",
        "norm:activation is aliased with dropout:schedule",
        "norm:schedule is aliased with dropout:activation",
    ]
    assert find_aliases(NAMES[:3], choose_generators(3, 3))[0] == "norm is aliased with dropout:activation"
    assert find_aliases(tuple("abcde"), choose_generators(5, 5)) == []


@pytest.mark.parametrize("resolution", [3, 4, 5])
@pytest.mark.parametrize("count", range(3, 9))
def test_a_fraction_is_the_smallest_of_at_least_the_resolution_asked(count: int, resolution: int) -> None:
    fitting = [known for reached, known in FRACTIONS[count] if reached >= resolution]
    if not fitting:
        with pytest.raises(StudyError, match=f"has resolution {resolution}, the highest is"):
            choose_generators(count, resolution)
        return
    conditions = build_conditions("fractional", LETTERS[:count], resolution)
    assert len(conditions) == min(2 ** (count - len(known)) for known in fitting)
