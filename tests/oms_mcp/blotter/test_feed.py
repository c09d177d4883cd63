"""Does the blotter hear of everything, whoever writes it, with bounded memory and in spite of what goes wrong?"""

import queue
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from oms_engine import Engine
from oms_mcp.blotter.app import Told
from oms_mcp.blotter.feed import Feed
from oms_mcp.blotter.news import Changed, Loaded, News, Question
from oms_mcp.blotter.rows import Rows, Sort
from oms_mcp.blotter.status import Condition
from tests.oms_mcp.blotter.watching import DEADLINE, run, watching
from tests.oms_mcp.drawable import create, do, drawable, fill


def test_what_another_connection_writes_is_shown(file: Path) -> None:
    async def test() -> None:
        with Engine.open(str(file), keep_settings=False) as engine, Engine.open(str(file)) as other:
            async with watching(engine, "symbol=ACME", "state=LIVE") as watcher:
                create(other, "N1", "100")
                do(other, "OrderAcceptCmd", orderId="N1")
                await watcher.until(lambda: "N1" in watcher.ids())
                fill(other, "N1", "E1", "30", "100")
                await watcher.until(lambda: any("N1" in line and " 70" in line for line in watcher.lines()))
                fill(other, "N1", "E2", "70", "100")
                await watcher.until(lambda: "N1" not in watcher.ids())
                create(other, "N2", "100", symbol="OTHER")
                await watcher.until_live()
                assert "N2" not in watcher.ids()

    run(test)


def test_the_table_is_bounded_and_says_so(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine, most=4) as watcher:
            assert len(watcher.ids()) == 4
            assert "4 of 10 orders" in watcher.lines()[0]
            create(engine, "N1", "10")
            await watcher.until(lambda: watcher.ids()[0] == "N1")
            assert len(watcher.ids()) == 4
            await watcher.until(lambda: "4 of 11 orders" in watcher.lines()[0])

    run(test)


def test_more_rows_are_read_than_a_page_of_the_query_has() -> None:
    async def test() -> None:
        wanted = Sort("orderId", descending=False)
        with drawable(**{"query.maxSize": 7, "query.defaultSize": 7}) as engine:
            for number in range(30):
                create(engine, f"T{number:02}", "10")
            async with watching(engine, "orderId__startswith=T", size=(80, 50), sort=wanted, most=25) as watcher:
                assert watcher.ids() == [f"T{number:02}" for number in range(25)]

    run(test)


def test_a_table_that_became_thin_is_read_anew(engine: Engine) -> None:
    for number in range(12):
        create(engine, f"T{number:02}", "10")
        do(engine, "OrderAcceptCmd", orderId=f"T{number:02}")

    async def test() -> None:
        async with watching(engine, "orderId__startswith=T", "state=LIVE", most=4) as watcher:
            assert watcher.ids() == ["T11", "T10", "T09", "T08"]
            for order_id in watcher.ids():
                fill(engine, order_id, "E1", "10", "100")
            await watcher.until(lambda: watcher.ids() == ["T07", "T06", "T05", "T04"])

    run(test)


def test_what_comes_first_is_read_anew_where_more_orders_match_than_are_held(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine, sort=Sort("leavesQty", descending=True), most=3) as watcher:
            assert watcher.ids() == ["P", "G", "A"]
            do(engine, "OrderUngroupCmd", groupOrderId="G")
            await watcher.until(lambda: watcher.ids() == ["P", "A", "M1"])

    run(test)


def test_a_pause_stands_still_and_afterwards_nothing_is_missing(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            before = watcher.ids()
            await watcher.press("space")
            assert watcher.app.status.condition is Condition.PAUSED
            create(engine, "N1", "10")
            create(engine, "N2", "10")
            await watcher.press("down")
            assert watcher.ids() == before
            assert watcher.lines()[0].lstrip().startswith("‖ paused")
            await watcher.press("space")
            await watcher.until_live()
            assert watcher.ids() == ["N2", "N1", *before]

    run(test)


def test_more_than_a_queue_holds_is_caught_up_after_a_pause() -> None:
    async def test() -> None:
        with drawable(**{"stream.queue": 10}) as engine:
            await paused(engine)

    async def paused(engine: Engine) -> None:
        async with watching(engine, size=(80, 60)) as watcher:
            await watcher.press("space")
            for number in range(40):
                create(engine, f"T{number:02}", "10")
            await watcher.press("space")
            await watcher.until_live()
            assert [name for name in watcher.ids() if name[0] == "T"] == [f"T{n:02}" for n in range(39, -1, -1)]

    run(test)


def test_nothing_is_missing_for_a_screen_that_is_slower_than_the_market() -> None:
    """Told is one thing at a time; meanwhile more happens than the queue of the subscription holds."""
    heard: queue.Queue[News] = queue.Queue()
    with drawable(**{"stream.queue": 4}) as engine:
        feed = Feed(engine, heard.put, most=500, question=Question())
        feed.start()
        rows = Rows(500, Sort())
        try:
            rows.fill(_next(feed, heard, Loaded).orders)
            for number in range(60):
                create(engine, f"T{number:02}", "10")
            while len(rows) < 70:
                for change in _next(feed, heard, Changed).changes:
                    assert change.order is not None
                    rows.put(change.order)
            assert [order.order_id for order in rows.ordered()][:60] == [
                f"T{number:02}" for number in range(59, -1, -1)
            ]
        finally:
            feed.stop()


def test_what_is_told_while_the_screen_is_taken_down_is_taken_and_shown_nowhere(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            before = watcher.app.status
        watcher.app.on_told(Told(Changed([], None, before.position + 1, behind=False)))
        assert watcher.app.status == before

    run(test)


N = TypeVar("N")


def _next(feed: Feed, heard: "queue.Queue[News]", kind: type[N]) -> N:
    news = heard.get(timeout=DEADLINE)
    assert isinstance(news, kind), news
    feed.taken()
    return news


def test_a_question_that_could_not_be_answered_is_not_forgotten(file: Path) -> None:
    async def test() -> None:
        with Engine.open(str(file), keep_settings=False) as engine:
            async with watching(engine) as watcher:
                _rename(file, "orders", "away")
                await watcher.type("symbol=ZEBRA")
                await watcher.until(lambda: watcher.app.status.condition is Condition.LOST)
                _rename(file, "away", "orders")
                await watcher.until(lambda: watcher.ids() == ["O3"])

    run(test)


def test_a_question_asked_while_paused_is_answered(engine: Engine) -> None:
    async def test() -> None:
        async with watching(engine) as watcher:
            await watcher.press("space")
            await watcher.type("symbol=ZEBRA")
            await watcher.until(lambda: watcher.ids() == ["O3"])
            assert watcher.app.status.condition is Condition.PAUSED
            await watcher.press("u")
            await watcher.until(lambda: watcher.app.status.condition is Condition.PAUSED)

    run(test)


def test_a_store_that_cannot_be_read_is_told_and_comes_back(file: Path) -> None:
    async def test() -> None:
        with Engine.open(str(file), keep_settings=False) as engine:
            async with watching(engine) as watcher:
                shown = watcher.ids()
                _rename(file, "orders", "away")
                await watcher.press("u")
                await watcher.until(lambda: watcher.app.status.condition is Condition.LOST)
                assert watcher.lines()[0].lstrip().startswith("! lost")
                assert watcher.ids() == shown
                _rename(file, "away", "orders")
                await watcher.until_live()
                assert watcher.ids() == shown

    run(test)


def _rename(file: Path, table: str, to: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute(f"ALTER TABLE {table} RENAME TO {to}")
        connection.commit()


def test_an_empty_store_fills_up(tmp_path: Path) -> None:
    async def test() -> None:
        with Engine.open(str(tmp_path / "new.db")) as engine:
            async with watching(engine) as watcher:
                assert "0 orders" in watcher.lines()[0]
                create(engine, "O1", "10")
                await watcher.until(lambda: watcher.ids() == ["O1"])

    run(test)
