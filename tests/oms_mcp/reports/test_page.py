"""Is the report of a market a page that any browser shows well: whole, offline, in words too, at any width?"""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.simulation.market.plan import MarketPlan
from oms_mcp.reports.charts import Axis, bars, columns, even_end, line, stack, table
from oms_mcp.reports.page import is_ours, page_of
from tests.oms_engine.simulation.loading import loaded
from tests.oms_mcp.reports.browser import blemishes, laid_out, run

Wire = dict[str, Any]

WIDTHS = (375, 800, 1600)


@pytest.fixture(scope="module")
def wire() -> Wire:
    """The report of a small market in which much goes wrong."""
    return loaded(MarketPlan(60, seed=5, mix="institutional", faults="many", orders_per_session=30)).to_wire()


@pytest.fixture(scope="module")
def page(wire: Wire) -> str:
    return page_of(wire)


class Outline(HTMLParser):
    """Reads a page: its elements, its texts, and whether each element that was opened was closed."""

    EMPTY = ("meta", "line", "rect", "polygon", "polyline", "wbr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


def test_a_page_is_whole_and_says_in_words_what_it_shows(wire: Wire, page: str) -> None:
    outline = Outline(page)
    words = " ".join(outline.texts)
    outcome = wire["outcome"]
    assert outcome["eventsHash"] in words
    for state, number in outcome["states"].items():
        assert re.search(rf"{state}\b.* {number} ", words)
    for name, number in outcome["faults"].items():
        assert f"{name} {number}" in " ".join(words.split())
    for each in outcome["refusals"]:
        assert each["errorCode"] in words
    assert f"filled: {outcome['fills']['filled']} " in words
    assert outline.elements.count("svg") == 3 + len(outcome["states"])
    assert outline.elements.count("table") == outline.elements.count("caption") == 10


def test_a_page_needs_nothing_from_outside_and_runs_no_script(page: str) -> None:
    outline = Outline(page)
    assert "script" not in outline.elements
    assert not [each for each in outline.attributes if each[1] in {"src", "href"} or each[1].startswith("on")]
    assert "url(" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in outline.attributes


def test_texts_are_shown_and_never_markup(wire: Wire) -> None:
    ugly = "<script>alert('1')</script> & \x1b[31m"
    changed = wire | {"plan": wire["plan"] | {"mix": ugly}}
    changed["outcome"] = wire["outcome"] | {
        "states": {ugly: 3},
        "refusals": [{"command": ugly, "errorCode": ugly, "count": 1}],
        "faults": {ugly: 1},
        "eventsHash": ugly,
        "reconciled": {"sessions": 1, "problems": [ugly], "crossedBooks": 2},
    }
    changed_page = page_of(changed)
    assert "script" not in Outline(changed_page).elements
    assert "\x1b" not in changed_page
    assert changed_page.count("&lt;script&gt;alert") >= 7
    assert "a book was crossed 2 times" in changed_page


def test_a_market_without_faults_says_that_there_were_none(wire: Wire) -> None:
    outcome = wire["outcome"] | {"refusals": [], "faults": {}}
    words = " ".join(Outline(page_of(wire | {"outcome": outcome})).texts)
    assert words.count("none") == 2


def test_a_run_that_had_nothing_left_to_do_is_shown_too(tmp_path: Path) -> None:
    plan = MarketPlan(10, seed=1)
    for _ in range(2):
        told = loaded(plan, str(tmp_path / "done.db")).to_wire()
    assert told["speed"]["commands"] == 0
    outline = Outline(page_of(told))
    assert "No questions were asked." in outline.texts


def test_a_page_of_ours_is_known_again_and_nothing_else_is(page: str, tmp_path: Path) -> None:
    ours, other = tmp_path / "ours.html", tmp_path / "other.html"
    ours.write_text(page, encoding="utf-8")
    other.write_text("<!doctype html>\n<html lang='en'>")
    assert is_ours(ours)
    assert not is_ours(other)
    assert not is_ours(tmp_path / "nothing.html")


@given(st.just(0.0) | st.floats(min_value=1e-6, max_value=1e15))
def test_an_axis_ends_at_a_round_number_that_holds_everything(most: float) -> None:
    end = even_end(most)
    assert end >= most
    assert most == 0 or end <= 2 * most * 1.0001


def test_shapes_stay_within_their_box() -> None:
    up = Axis(10, str)
    drawn = line([(0, 0), (5, 20), (10, 10)], Axis(10, str), up, "a & b")
    assert 'points="0.0,100.00 500.0,0.00 1000.0,0.00"' in drawn
    assert 'aria-label="a &amp; b"' in drawn
    assert line([], Axis(0, str), Axis(0, str), "").count("<polyline") == 1
    assert columns([0, 5], ["a", "b"], up, "").count("<rect") == 1
    assert columns([], [], up, "").count("<rect") == 0
    assert bars([("x", 0)], "").count('width="0.0"') == 1
    assert "width:100.00%" in stack([("done", "x", 3)], "")
    assert "Order<wbr>Create" in table("", ("a",), [["OrderCreate"]])


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overlaps_or_leaves_the_page_at_any_width(page: str, width: int, tmp_path: Path) -> None:
    layout = laid_out(page, tmp_path, width)
    assert len(layout["boxes"]) > 300
    assert layout["shapes"] > 10
    assert blemishes(layout) == []


@pytest.mark.slow
def test_large_figures_have_room_on_a_phone_too(wire: Wire, tmp_path: Path) -> None:
    latency = {
        "count": 9_999_999,
        "mean": 888.8,
        "p50": 888.8,
        "p90": 999_999.0,
        "p99": 9_999_999.0,
        "max": 99_999_999.0,
    }
    speed = wire["speed"] | {"latencies": dict.fromkeys(wire["speed"]["latencies"], latency), "allCommands": latency}
    outcome = wire["outcome"] | {"orders": 10_000_000, "states": {"FILLED": 8_888_888, "CXL": 1_111_112}}
    page = page_of(wire | {"speed": speed, "outcome": outcome})
    assert blemishes(laid_out(page, tmp_path, WIDTHS[0])) == []


@pytest.mark.slow
def test_what_is_wrong_with_a_page_is_seen(page: str, tmp_path: Path) -> None:
    broken = page.replace("<main>", '<main><p style="white-space:nowrap">' + "wide " * 200 + "</p>")
    assert any("leaves the page" in each for each in blemishes(laid_out(broken, tmp_path, 375)))
    laid_over = page.replace("</style>", "h2 { margin-bottom: -2rem; }</style>")
    assert any("overlap" in each for each in blemishes(laid_out(laid_over, tmp_path, 800)))


@pytest.mark.slow
def test_the_page_is_dark_for_who_likes_it_dark(page: str, tmp_path: Path) -> None:
    papers = {laid_out(page, tmp_path, 800, *more)["paper"] for more in ((), ("--force-dark-mode",))}
    assert papers == {"rgb(255, 255, 255)", "rgb(20, 24, 29)"}


@pytest.mark.slow
def test_the_page_can_be_printed(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    run(f"--print-to-pdf={tmp_path / 'page.pdf'}", "--no-pdf-header-footer", (tmp_path / "page.html").as_uri())
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert 2 <= printed.count(b"/Type /Page\n") <= 8
