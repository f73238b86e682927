"""What looks at a study's claims have left: further replicates, which any later run of the study keeps."""

from typing import TYPE_CHECKING

from tune_app.analysis.looks import Looks, parse_looks
from tune_app.records import write_whole
from tune_app.records.files import read_text
from tune_app.records.results import LOOKS_FILE
from tune_app.study import Study, has_levels
from tune_app.study.more import join_more

if TYPE_CHECKING:
    from tune_app.session.session import Session


def find_looks(session: "Session") -> str:
    """The looks as the study's folder has them, or those of the results that it continues from; empty without any."""
    text = "" if session.options.fresh else read_text(session.folder / LOOKS_FILE)
    if not text and session.options.continue_from:
        text = read_text(session.options.continue_from / LOOKS_FILE)
    return text


def find_kept(session: "Session") -> Study:
    """The study with the replicates that were added to it; ResultsError for looks that cannot be read."""
    text = find_looks(session)
    study = session.found.study
    return extend_study(study, parse_looks(text, str(session.folder / LOOKS_FILE))) if text else study


def extend_study(study: Study, looks: Looks) -> Study:
    """The study with the looks' further replicates of conditions that it still has."""
    conditions = [specs[0].condition for specs in study.conditions()]
    content = study.model_dump(mode="json", exclude_none=True)
    more = [each for each in looks.more if any(has_levels(condition, each["levels"]) for condition in conditions)]
    joined = join_more(content.get("more", ()), more)
    return Study.model_validate({**content, "more": joined}) if more else study


def write_looks(session: "Session", looks: Looks) -> None:
    """Keep the looks in the study's folder."""
    session.folder.mkdir(parents=True, exist_ok=True)
    write_whole(session.folder / LOOKS_FILE, looks.to_json())
