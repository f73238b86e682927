"""How long a process has run."""

from pathlib import Path

from tune_app.session.age import read_age


def test_a_process_is_older_than_nothing_and_grows_no_younger() -> None:
    first = read_age()
    assert 0 < first <= read_age()


def test_where_the_system_does_not_say_it_is_nothing(tmp_path: Path) -> None:
    assert read_age(tmp_path) == 0.0
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stat").write_text("1 (a) b) S 0")
    (tmp_path / "uptime").write_text("100.5 3")
    assert read_age(tmp_path) == 0.0
    (tmp_path / "self" / "stat").write_text(f"1 (a) b) S {' '.join(['0'] * 18)} 5000 1 2")
    assert 0 < read_age(tmp_path) < 100.5
