"""Plain YAML: what words and numbers mean, what comes back, and texts that would grow without end."""

from typing import Any

import pytest
import yaml

from tune_app.study.plain_yaml import PlainYamlError, read_yaml, write_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("010", 10),
        ("1_000", 1000),
        ("0x1f", 31),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("", None),
    ],
)
def test_words_and_numbers_mean_what_they_say(text: str, value: Any) -> None:
    read, twice = read_yaml(f"level: {text}")
    assert read == {"level": value}
    assert type(read["level"]) is type(value)
    assert twice == []


@pytest.mark.parametrize(
    "value",
    [
        "1e-3",
        "no",
        "010",
        "1:30",
        "2024-01-01",
        "true",
        "<<",
        "",
        "~",
        "0o7",
        ".5",
        "-",
        "1.",
        1e-5,
        1e20,
        1,
        1.0,
        True,
    ],
)
def test_what_is_written_comes_back_and_elsewhere_too(value: Any) -> None:
    text = write_yaml({"level": value})
    assert read_yaml(text) == ({"level": value}, [])
    if isinstance(value, str):
        assert yaml.safe_load(text) == {"level": value}


def test_merge_keys_are_read_and_equal_keys_are_told() -> None:
    assert read_yaml("x: &x {a: 1}\ny: {<<: *x, b: 2}") == ({"x": {"a": 1}, "y": {"a": 1, "b": 2}}, [])
    _, twice = read_yaml("a: 1\na: 2")
    assert len(twice) == 1
    assert "'a' is given twice" in twice[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "its aliases stand for 1,234,567,909 values"),
        ("x: &x [*x]", "its aliases stand for"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 3_000 + "]" * 3_000, "nested too deeply"),
        ("[" * 50 + "]" * 50, "nested too deeply: more than 32"),
        ("x" * 2**21, "2,097,152 characters, at most 1,048,576"),
        ("x: " + "9" * 5000, "digits"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("{a: [", "expected"),
    ],
)
def test_what_is_not_plain_or_has_no_bounds_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlainYamlError, match=message):
        read_yaml(text)
