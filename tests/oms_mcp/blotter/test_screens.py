"""What does somebody see who watches orders, and what do the keys do?"""

import threading
from pathlib import Path

import pytest

from oms_engine import Engine
from oms_mcp.blotter.app import Blotter, keys
from oms_mcp.blotter.rows import Sort
from oms_mcp.blotter.status import Condition
from oms_mcp.blotter.table import OrderTable
from tests.oms_mcp.blotter.watching import LARGE, SMALL, run, watching
from tests.oms_mcp.drawable import create, do, fill
from tests.oms_mcp.snapshot import same

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80", "200"])
def test_every_screen_looks_as_it_was_looked_at(engine: Engine, size: tuple[int, int]) -> None:
    async def test() -> None:
        async with watching(engine, size=size) as watcher:
            same(SNAPSHOTS, f"table-{size[0]}", watcher.screen())
            await watcher.press("end", "enter")
            await watcher.until(lambda: "next states" in watcher.screen() or "timeline" in watcher.screen())
            same(SNAPSHOTS, f"order-{size[0]}", watcher.screen())
            await watcher.press("escape", "question_mark")
            same(SNAPSHOTS, f"keys-{size[0]}", watcher.screen())
            await watcher.press("escape")
            await watcher.type("colour=red")
            await watcher.until(lambda: "no field of order" in watcher.screen())
            await watcher.until_live()
            same(SNAPSHOTS, f"wrong-filter-{size[0]}", watcher.screen())
            await watcher.press("slash")
            same(SNAPSHOTS, f"correcting-{size[0]}", watcher.screen())

    run(test)


def test_no_line_of_a_screen_is_wider_than_the_terminal(engine: Engine) -> None:
    create(engine, "L" * 46, "9999999", price="12345678.12345678", symbol="S" * 12, account="A" * 12)

    async def test() -> None:
        for size in (SMALL, LARGE, (40, 12)):
            async with watching(engine, size=size) as watcher:
                assert max(map(len, watcher.lines())) <= size[0]
                assert len(watcher.lines()) <= size[1]

    run(test)


def test_a_filter_shows_what_meets_it_and_a_wrong_one_changes_nothing(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            everything = watcher.ids()
            await watcher.type("symbol=ZEBRA")
            await watcher.until(lambda: watcher.ids() == ["O3"])
            assert "symbol=ZEBRA, newest first" in watcher.screen()
            await watcher.type("symbol=ZEBRA state=SOLD")
            await watcher.until(lambda: "is unknown; use one of NEW, UNACK" in " ".join(watcher.screen().split()))
            assert watcher.ids() == ["O3"]
            await watcher.press("escape")
            assert "use one of" not in watcher.screen()
            await watcher.type('symbol="')
            await watcher.until(lambda: "close the quotation mark" in watcher.screen())
            await watcher.press("escape", "escape")
            await watcher.type("")
            await watcher.until(lambda: watcher.ids() == everything)
            await watcher.until_live()

    run(test)


def test_a_wrong_field_leaves_room_for_the_orders_and_names_those_that_are_like_it(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine, size=SMALL) as watcher:
            await watcher.type("symbl=ACME")
            await watcher.until(lambda: "no field of order" in watcher.screen())
            told = " ".join(watcher.screen().split())
            assert "did you mean symbol? nearest: symbol, " in told
            assert ", and 5" in told
            problem = watcher.screen().partition("! the filter")[2].partition("orderId  ")[0]
            assert len(problem.splitlines()) <= 6
            assert len(watcher.ids()) == 10

    run(test)


def test_rows_are_sorted_by_key_and_by_a_click_on_a_heading(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine, sort=Sort("orderId", descending=False)) as watcher:
            ascending = watcher.ids()
            assert ascending == sorted(ascending)
            assert "orderId▲" in watcher.screen()
            await watcher.press("r")
            await watcher.until(lambda: watcher.ids() == ascending[::-1])
            await watcher.press("s")
            await watcher.until(lambda: "state▲" in watcher.screen())
            heading = next(number for number, line in enumerate(watcher.lines()) if "state▲" in line)
            await watcher.click(watcher.lines()[heading].index("qty"), heading)
            await watcher.until(lambda: "qty▲" in watcher.screen())
            assert watcher.ids()[0] == "O3"
            await watcher.click(watcher.lines()[heading].index("qty"), heading)
            await watcher.until(lambda: "qty▼" in watcher.screen())
            assert watcher.ids()[0] == "O1"

    run(test)


def test_sorting_by_key_goes_through_all_columns_and_back_to_the_newest(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine, size=LARGE) as watcher:
            seen = []
            for _ in range(13):
                seen.append(watcher.lines()[2])
                await watcher.press("s")
                await watcher.until(lambda: watcher.lines()[2] not in seen or watcher.lines()[2] == seen[0])
            assert len({*seen}) == 13
            await watcher.until(lambda: watcher.lines()[2] == "  all orders, newest first"[1:])

    run(test)


def test_other_columns_are_shown_by_key(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            assert "updated" not in watcher.screen()
            await watcher.press(*["right"] * 20)
            assert "updated" in watcher.screen()
            assert watcher.ids()[0] == "O3"
            before = watcher.screen()
            await watcher.press("left")
            assert watcher.screen() != before
            await watcher.press(*["left"] * 20)
            assert "symbol" in watcher.screen()
            await watcher.resize(200, 50)
            await watcher.until(lambda: "updated" in watcher.screen() and "symbol" in watcher.screen())

    run(test)


def test_the_chosen_order_stays_chosen_where_it_moves(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            await watcher.press("down", "down")
            chosen = watcher.ids()[2]
            create(engine, "N1", "10")
            await watcher.until(lambda: watcher.ids()[0] == "N1")
            assert next(line for line in watcher.lines() if line.startswith("▸")).split()[1] == chosen
            await watcher.type("orderId=N1")
            await watcher.until(lambda: watcher.ids() == ["N1"])
            assert any(line.startswith("▸ N1") for line in watcher.lines())

    run(test)


def test_the_choice_stays_on_the_first_line_until_somebody_chooses(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            for number in range(40):
                create(engine, f"N{number:02}", "10")
            await watcher.until(lambda: watcher.ids()[0] == "N39")
            assert any(line.startswith("▸ N39") for line in watcher.lines())

    run(test)


def test_a_chosen_order_is_kept_in_sight_while_others_come_before_it(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            await watcher.press("down")
            chosen = watcher.ids()[1]
            for number in range(40):
                create(engine, f"N{number:02}", "10")
            await watcher.until(lambda: watcher.app.status.shown > 40)
            await watcher.until(lambda: any(line.startswith(f"▸ {chosen}") for line in watcher.lines()))
            await watcher.press("r")
            await watcher.until(lambda: watcher.ids()[0] != "N39")
            await watcher.until(lambda: any(line.startswith(f"▸ {chosen}") for line in watcher.lines()))

    run(test)


def test_going_on_after_a_pause_in_which_nothing_happened_is_live_at_once(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            await watcher.until(lambda: watcher.app.status.condition is Condition.LIVE)
            await watcher.press("space")
            await watcher.until(lambda: watcher.app.status.condition is Condition.PAUSED)
            await watcher.press("space")
            await watcher.until(lambda: watcher.app.status.condition is Condition.LIVE)

    run(test)


def test_a_long_table_is_walked_through(engine: Engine) -> None:
    for number in range(60):
        create(engine, f"T{number:02}", "10")

    async def test() -> None:
        async with watching(engine, "orderId__startswith=T", sort=Sort("orderId", descending=False)) as watcher:
            await watcher.press("pagedown", "down")
            chosen = next(line for line in watcher.lines() if line.startswith("▸")).split()[1]
            assert chosen in {"T18", "T19", "T20"}
            await watcher.press("end")
            assert watcher.ids()[-1] == "T59"
            await watcher.press("up", "pageup", "home")
            assert watcher.ids()[0] == "T00"
            rows = [number for number, line in enumerate(watcher.lines()) if line[2:].startswith("T")]
            await watcher.click(5, rows[4])
            assert watcher.lines()[rows[4]].startswith("▸ T04")
            await watcher.click(5, rows[4])
            await watcher.until(lambda: "T04  BUY 10 ACME" in watcher.screen())

    run(test)


def test_an_order_that_is_looked_at_is_kept_up_to_date(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine, "orderId=B", size=LARGE) as watcher:
            await watcher.press("enter")
            await watcher.until(lambda: "filled 100 of 400" in watcher.screen())
            shown = watcher.screen()
            for section in ("executions", "timeline", "quantity", "next states", "tree"):
                assert section in shown
            fill(engine, "B", "e2", "50", "99")
            await watcher.until(lambda: "filled 150 of 400" in watcher.screen())
            await watcher.until(lambda: "e2" in watcher.screen())
            await watcher.resize(80, 24)
            await watcher.until(lambda: max(map(len, watcher.lines())) <= 80 and "filled 150" in watcher.screen())
            await watcher.press("escape")
            assert watcher.ids() == ["B"]

    run(test)


def test_nothing_to_look_at_is_nothing_to_open(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine, "orderId=NOBODY") as watcher:
            assert watcher.ids() == []
            await watcher.press("enter", "down", "up", "end")
            assert len(watcher.app.screen_stack) == 1
            assert "0 orders" in watcher.screen()

    run(test)


def test_quitting_ends_the_thread_that_reads(engine: Engine) -> None:
    async def test() -> None:
        for key in ("q", "ctrl+c", "ctrl+q"):
            async with watching(engine) as watcher:
                await watcher.press("enter", key)
            assert watcher.app.return_code == 0
            assert "oms-blotter" not in {thread.name for thread in threading.enumerate()}

    run(test)


def test_every_key_is_told_and_none_stands_for_two_things() -> None:
    told = [key for key, _ in keys()]
    assert len({*told}) == len(told)
    bindings = [key for binding in (*Blotter.BINDINGS, *OrderTable.BINDINGS) for key in binding.key.split(",")]  # type: ignore[union-attr] # ours are bindings
    assert len({*bindings}) == len(bindings)
    assert all(what for _, what in keys())


def test_watching_writes_nothing(engine: Engine) -> None:
    before = engine.counts()

    async def test() -> None:
        async with watching(engine) as watcher:
            await watcher.press("s", "r", "space", "space", "enter", "escape", "u", "question_mark", "escape")
            await watcher.until_live()

    run(test)
    assert engine.counts() == before
    do(engine, "OrderCloseCmd", orderId="O1")
