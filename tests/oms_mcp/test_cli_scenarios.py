"""Are scenarios listed, found by words, by kind and by document, and is the way told to play one?"""

import re

import pytest

from knowledge_base import Library
from oms_engine.simulation.kinds import KINDS, kinds_of
from oms_engine.simulation.scenario import parse_scenarios
from oms_mcp.scenarios import stories
from tests.oms_mcp.conftest import Ask, Oms

OK, REFUSED, MISUSED = 0, 1, 2

pytestmark = pytest.mark.usefixtures("plain")


def ids(wire: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["id"] for row in wire["scenarios"]]


def test_all_scenarios_are_listed_by_document(oms: Oms, ask: Ask, library: Library) -> None:
    wire = ask("scenarios")
    assert [row["reference"] for row in wire["scenarios"]] == [block.reference for block in library.scenarios()]
    assert (wire["found"], wire["of"]) == (len(wire["scenarios"]),) * 2
    shown = oms("scenarios").stdout
    assert f"{wire['of']} scenarios; oms simulate N22 plays one" in shown
    assert "illustrations/stories-of-races.md\n  race-cancel-fill-confirm  " in re.sub(" {3,}", "  ", shown)
    assert max(map(len, shown.splitlines())) <= 80


def test_each_is_told_with_kinds_steps_and_the_section_that_explains_it(ask: Ask, library: Library) -> None:
    (row,) = [row for row in ask("scenarios", "kill", "switch")["scenarios"] if row["id"] == "stop-everything"]
    assert row == {
        "id": "stop-everything",
        "title": "the kill switch stops what is new and lets the market report",
        "reference": "illustrations/stories-of-markets-and-limits.md#stop-everything",
        "section": "illustrations/stories-of-markets-and-limits.md#5-the-kill-switch",
        "line": row["line"],
        "kinds": ["fill", "cancel", "replace", "risk", "refusal", "settings"],
        "given": 2,
        "steps": 8,
    }
    assert library.resolve(row["section"]).title == "5. The kill switch"


def test_words_are_found_in_any_order_those_of_a_title_first(oms: Oms, ask: Ask) -> None:
    assert ids(ask("scenarios", "switch", "KILL")) == ids(ask("scenarios", "kill switch"))
    shown = oms("scenarios", "race").stdout
    assert "race-cancel-before-ack  the cancel is on its way before the" in shown
    assert (
        "race-replace-fill-confirm  replace to more, a fill, and then the market agrees\n  fill, replace, 5 steps"
        in shown
    )
    assert "  oms kb read illustrations/stories-of-races.md#2-cancel-against-everything-else" in shown
    assert re.search(r"of \d+; oms simulate \S+ plays one$", shown.strip())


def test_a_question_in_other_words_is_answered_by_the_sections_that_answer_it(ask: Ask) -> None:
    assert "member-leaves" in ids(ask("scenarios", "customer", "leaves", "the", "block"))


def test_kind_and_document_narrow_what_is_found(ask: Ask) -> None:
    corrections = ask("scenarios", "--kind", "correction", "--document", "stories-of-corrections")
    assert ids(corrections)[:2] == ["bust-and-refill", "bust-after-cancel"]
    assert all("correction" in row["kinds"] for row in corrections["scenarios"])
    assert {row["reference"].split("/")[1] for row in corrections["scenarios"]} == {
        f"stories-of-corrections.md#{name}" for name in ids(corrections)
    }


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("whak",), REFUSED, "words that would find some: whack"),
        (("zzzzqqqq",), REFUSED, "oms scenarios lists all of them"),
        (("--kind", "corection"), MISUSED, "did you mean correction?"),
        (("--document", "stories-of-rases"), MISUSED, "did you mean illustrations/stories-of-races?"),
        (("--kind", ""), MISUSED, "is empty"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(words: tuple[str, ...], code: int, told: str, oms: Oms) -> None:
    result = oms("scenarios", *words)
    assert result.exit_code == code
    assert told in " ".join(re.sub("[│╭╮╰╯─]", " ", result.stdout + result.stderr).split())


def test_every_kind_has_scenarios(library: Library) -> None:
    assert {kind for story in stories(library) for kind in story.kinds} == {*KINDS}


def test_the_asset_class_of_an_order_is_a_kind_also_where_it_is_only_derived() -> None:
    order = "{type: OrderCreateCmd, order: {orderId: O1, symbol: %s}}"
    told = {"EUR/USD": ("fx",), "BTC/USD": ("digital",), "ACME": ()}
    for symbol, kinds in told.items():
        (scenario,) = parse_scenarios(f"id: a\ntitle: t\nsteps:\n  - do: {order % symbol}\n", "here")
        assert kinds_of(scenario) == kinds
