"""What is printed of a search that is measured, and of documents that are checked?"""

import re
from pathlib import Path

import pytest

from knowledge_base import PACKAGED_QUESTIONS
from oms_mcp.printing import quality
from tests.oms_mcp.conftest import Ask, Oms

OK, REFUSED, MISUSED = 0, 1, 2
WORDS = "A sentence of more than five words stands here.\n"

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "opening.md").write_text(
        f"# Opening hours\n\nOpen from nine to five.\n\n[fines](fines.md)\n\n## Sundays\n\n{WORDS}"
    )
    (folder / "fines.md").write_text("# Fines\n\nA late book costs ten pence a day.\n\n[hours](opening.md)\n")
    return folder


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.yaml"
    file.write_text(
        "queries:\n"
        "- {query: what does a late book cost, expected_docs: fines.md, expected_sections: 'fines.md#fines'}\n"
        "- {query: when is it open, expected: opening}\n"
        "- {query: zebra crossing, answerable: false}\n"
    )
    return file


@pytest.fixture
def without_meaning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model that is not there: only words are compared, and nothing is built."""
    monkeypatch.setenv("OMS_KB_MODEL", str(tmp_path / "none"))


# --- eval


@pytest.mark.usefixtures("without_meaning")
def test_a_machine_gets_the_figures_of_every_mode_and_nothing_else(ask: Ask, handbook: Path, questions: Path) -> None:
    wire = ask("kb", "eval", "--corpus", str(handbook), "--queries", str(questions))
    assert [each["name"] for each in wire["configurations"]] == ["keyword", "auto"]
    assert wire["configurations"][-1]["documents"]["recall@1"] == 1.0
    assert {*wire} == {"configurations"}


@pytest.mark.usefixtures("without_meaning")
def test_the_questions_that_were_missed_are_listed_where_that_is_asked_for(
    ask: Ask, oms: Oms, handbook: Path, questions: Path
) -> None:
    with questions.open("a") as file:
        file.write("- {query: what does a late book cost, expected_sections: 'opening.md#sundays'}\n")
        file.write("- {query: zebra crossing, expected_docs: opening.md}\n")
    asked = ("kb", "eval", "--corpus", str(handbook), "--queries", str(questions), "--missed")
    costs, zebra = ask(*asked)["missed"]
    assert costs["expected"] == ["opening.md#sundays"]
    assert costs["found"][0] == "fines.md#fines"
    assert "opening.md#sundays" not in costs["found"]
    assert zebra == {"query": "zebra crossing", "expected": ["opening.md"], "found": []}
    told = oms(*asked).stdout
    assert "2 questions without an answer among the first five hits" in told
    assert "zebra crossing" in told
    assert "fines.md#fines" in told


@pytest.mark.usefixtures("without_meaning")
def test_a_person_gets_tables_that_fit_and_is_told_what_was_left_out(oms: Oms, handbook: Path, questions: Path) -> None:
    result = oms("kb", "eval", "--corpus", str(handbook), "--queries", str(questions))
    assert result.exit_code == OK
    assert "3 questions: 2 with an answer, of which 1 name sections; 1 without" in result.stdout
    assert "auto (default)" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert "only words were compared" in result.stderr


@pytest.mark.usefixtures("without_meaning")
def test_what_cannot_be_measured_is_a_dash_and_null(ask: Ask, oms: Oms, handbook: Path, questions: Path) -> None:
    questions.write_text("queries: [{query: late, expected: fines.md}]")
    words = ("kb", "eval", "--corpus", str(handbook), "--queries", str(questions))
    assert ask(*words)["configurations"][0]["abstention_auc"] is None
    result = oms(*words)
    assert re.search(r"auto \(default\) +- +- +- +- +-\n", result.stdout)
    assert "every question has an answer" in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("without_meaning")
def test_our_own_questions_are_asked_when_none_are_named(ask: Ask) -> None:
    assert PACKAGED_QUESTIONS.is_file()
    wire = ask("kb", "eval")
    assert 0.5 < wire["configurations"][0]["documents"]["recall@10"] < 1


@pytest.mark.usefixtures("without_meaning")
def test_what_is_served_is_measured_with_the_pages_that_the_code_writes(ask: Ask, questions: Path) -> None:
    questions.write_text("queries: [{query: every command with its fields and rules, expected: spec/commands.md}]")
    wire = ask("kb", "eval", "--queries", str(questions))
    assert wire["configurations"][0]["documents"]["recall@10"] == 1.0


@pytest.mark.usefixtures("without_meaning")
def test_folders_that_the_environment_names_are_not_judged(
    ask: Ask, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS_KB_CORPUS", str(handbook))
    counted = ask("kb", "lint")["documents"]
    monkeypatch.delenv("OMS_KB_CORPUS")
    assert ask("kb", "lint")["documents"] == counted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("queries: [{query: a, expected: fine.md}]", "no document 'fine.md' in the corpus; nearest: fines.md"),
        ("queries: [{query: a, expected_sections: 'fines.md#x'}]", "no section 'x' in fines.md"),
        ("queries: [a", "no YAML"),
        ("queries: []", "queries holds no list of questions"),
    ],
)
def test_a_file_that_holds_no_questions_is_misused(
    oms: Oms, ask: Ask, handbook: Path, questions: Path, text: str, told: str
) -> None:
    questions.write_text(text)
    words = ("kb", "eval", "--corpus", str(handbook), "--queries", str(questions))
    result = oms(*words)
    assert result.exit_code == MISUSED
    assert "questions.yaml" in result.stderr.replace("\n", "").replace("│", "").replace(" ", "")
    assert told in " ".join(result.stderr.replace("│", " ").split())
    error = ask(*words, code=MISUSED)["error"]
    assert told in error["detail"]
    assert error["violations"][0]["field"] == "queries"


def test_each_mistake_of_a_file_has_a_line_of_its_own(oms: Oms, handbook: Path, questions: Path) -> None:
    questions.write_text("queries: [{query: a}, {query: b}]")
    result = oms("kb", "eval", "--corpus", str(handbook), "--queries", str(questions))
    assert "│ question 1 (line 1): " in result.stderr
    assert "│ question 2 (line 1): " in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--queries", "none.yaml"), "cannot be read"),
        (("--corpus", "x"), "our own questions are about the documents that come along"),
        (("--corpus", "x", "--corpus", "y", "--queries", "z"), "questions are asked of one folder"),
    ],
)
def test_what_is_typed_wrongly_is_told(oms: Oms, words: tuple[str, ...], told: str) -> None:
    result = oms("kb", "eval", *words)
    assert result.exit_code == MISUSED
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_a_corpus_that_is_not_there_is_refused(oms: Oms, questions: Path) -> None:
    for words in (("eval", "--queries", str(questions)), ("lint",)):
        result = oms("kb", *words, "--corpus", "nowhere")
        assert result.exit_code == REFUSED
        assert "nowhereisnotafolder" in "".join(result.stderr.replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.usefixtures("by_meaning")
def test_all_modes_are_measured_where_there_is_a_model(ask: Ask, handbook: Path, questions: Path) -> None:
    wire = ask("kb", "eval", "--corpus", str(handbook), "--queries", str(questions))
    names = [each["name"] for each in wire["configurations"]]
    assert (names[0], names[-1]) == ("keyword", "auto")
    assert "semantic" in names
    assert wire["configurations"][-1]["documents"]["recall@5"] == 1.0


# --- lint


def test_sound_documents_end_with_zero(oms: Oms, ask: Ask, handbook: Path) -> None:
    assert ask("kb", "lint", "--corpus", str(handbook)) == {"findings": [], "errors": 0, "warnings": 0, "documents": 2}
    result = oms("kb", "lint", "--corpus", str(handbook), "--strict")
    assert result.exit_code == OK
    assert "2 documents: 0 errors, 0 warnings" in result.stdout


def test_an_error_ends_with_one_and_is_told_with_its_place(oms: Oms, ask: Ask, handbook: Path) -> None:
    (handbook / "fines.md").write_text(f"# Fines\n\n{WORDS}\n[hours](openings.md)\n")
    result = oms("kb", "lint", "--corpus", str(handbook))
    assert result.exit_code == REFUSED
    assert result.stdout.splitlines()[0] == "fines.md"
    assert "     5  broken-link  the link 'openings.md' leads to nothing" in result.stdout
    assert "-> nearest: opening.md" in result.stdout
    wire = ask("kb", "lint", "--corpus", str(handbook), code=REFUSED)
    assert wire["errors"] == 1
    assert wire["findings"][0]["rule"] == "broken-link"


def test_warnings_count_only_where_that_is_asked_for(oms: Oms, handbook: Path) -> None:
    (handbook / "fines.md").write_text(f"# Fines\n\n{WORDS}\n[hours](opening.md)\n\n```\nx\n```\n")
    assert oms("kb", "lint", "--corpus", str(handbook)).exit_code == OK
    assert oms("kb", "lint", "--corpus", str(handbook), "--strict").exit_code == REFUSED


def test_the_days_of_staleness_can_be_chosen(ask: Ask, handbook: Path) -> None:
    (handbook / "fines.md").write_text(f"# Fines\n\n**Last Updated:** 2020-01-01\n\n{WORDS}\n[hours](opening.md)\n")
    assert ask("kb", "lint", "--corpus", str(handbook))["findings"][0]["rule"] == "stale"
    assert ask("kb", "lint", "--corpus", str(handbook), "--stale-days", "36500")["findings"] == []


def test_several_folders_are_checked_one_by_one(ask: Ask, handbook: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("no title\n")
    wire = ask("kb", "lint", "--corpus", str(handbook), "--corpus", str(other), code=REFUSED)
    assert (wire["documents"], [found["path"] for found in wire["findings"]]) == (3, [f"{other}/a.md"])


def test_a_folder_of_ones_home_is_found(ask: Ask, handbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (handbook / "plan.svg").write_text("<svg/>")
    (handbook / "fines.md").write_text(f"# Fines\n\n{WORDS}\n[hours](opening.md) and [plan](plan.svg)\n")
    monkeypatch.setenv("HOME", str(handbook.parent))
    assert ask("kb", "lint", "--corpus=~/handbook")["findings"] == []


def test_our_own_documents_are_checked_by_default(oms: Oms, ask: Ask) -> None:
    assert oms("kb", "lint").exit_code == OK
    assert ask("kb", "lint")["errors"] == 0


def test_very_many_findings_are_cut_for_people_and_not_for_machines(oms: Oms, ask: Ask, handbook: Path) -> None:
    (handbook / "fines.md").write_text("# Fines\n\n" + "[x](no.md)\n" * 300)
    words = ("kb", "lint", "--corpus", str(handbook))
    found = ask(*words, code=REFUSED)["findings"]
    assert len(found) > 300
    assert f"and {len(found) - quality.MAX_FINDINGS} findings more; --json tells all" in oms(*words).stdout


def test_what_documents_say_cannot_speak_to_the_terminal(oms: Oms, handbook: Path) -> None:
    (handbook / "fines.md").write_text(f"# Fines\n\n{WORDS}\n[x](no\x1b[31m.md)\n[bold](no-[bold].md)\n")
    shown = oms("kb", "lint", "--corpus", str(handbook)).stdout
    assert "\x1b" not in shown
    assert "no-[bold].md" in shown
