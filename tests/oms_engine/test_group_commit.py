"""Do callers who share a commit each get their own answer, and never before it is durable?"""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import CommandResult, Engine
from oms_engine.group_commit import MOST_AT_ONCE, Closed, GroupCommit
from tests.oms_engine.desk import Desk


class Gate:
    """A writer that waits until it is let through, and notes what came together."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.began = threading.Event()
        self.together: list[list[int]] = []

    def write(self, asked: Sequence[int]) -> list[str]:
        self.began.set()
        self.open.wait(10)
        self.together.append(list(asked))
        if 13 in asked:
            raise RuntimeError("no luck")
        return [f"done {number}" for number in asked]


async def _begun(gate: Gate) -> None:
    await asyncio.to_thread(gate.began.wait, 10)


def _create(number: int) -> dict[str, object]:
    order = Desk().asked(orderId=f"o{number}", clOrdId=f"c{number}")
    return {"type": "OrderCreateCmd", "order": order, "commandId": f"k{number}"}


def test_whoever_comes_during_a_write_shares_the_next_one() -> None:
    gate = Gate()
    group: GroupCommit[int, str] = GroupCommit(gate.write)

    async def callers() -> list[str]:
        first = asyncio.create_task(group.submit(0))
        await _begun(gate)
        others = [asyncio.create_task(group.submit(number)) for number in range(1, 5)]
        await asyncio.sleep(0)
        gate.open.set()
        return [await task for task in (first, *others)]

    assert asyncio.run(callers()) == [f"done {number}" for number in range(5)]
    assert gate.together == [[0], [1, 2, 3, 4]]
    group.close()


def test_a_write_that_fails_is_told_to_all_of_it_and_to_nobody_else() -> None:
    gate = Gate()
    gate.open.set()
    group: GroupCommit[int, str] = GroupCommit(gate.write)

    async def callers() -> str:
        with pytest.raises(RuntimeError, match="no luck"):
            await group.submit(13)
        return await group.submit(14)

    assert asyncio.run(callers()) == "done 14"
    group.close()


def test_a_listener_that_wants_to_end_the_program_ends_no_caller() -> None:
    def leave(_: object) -> None:
        raise SystemExit(3)

    async def callers(engine: Engine) -> None:
        engine.subscribe(leave)
        with pytest.raises(RuntimeError, match="SystemExit while writing"):
            await engine.submit(_create(1))
        engine._executor.listeners.clear()
        assert (await engine.submit(_create(2))).ok

    with Engine.open() as engine:
        asyncio.run(callers(engine))
        assert engine.counts()["orders"] == 2


def test_a_caller_that_stops_waiting_disturbs_nobody() -> None:
    gate = Gate()
    group: GroupCommit[int, str] = GroupCommit(gate.write)

    async def callers() -> str:
        first = asyncio.create_task(group.submit(0))
        await _begun(gate)
        impatient, patient = asyncio.create_task(group.submit(1)), asyncio.create_task(group.submit(2))
        await asyncio.sleep(0)
        impatient.cancel()
        gate.open.set()
        await first
        return await patient

    assert asyncio.run(callers()) == "done 2"
    assert gate.together == [[0], [1, 2]]
    group.close()


def test_only_so_many_share_a_write() -> None:
    gate = Gate()
    group: GroupCommit[int, str] = GroupCommit(gate.write)
    many = range(100, 100 + MOST_AT_ONCE + 5)

    async def callers() -> None:
        first = asyncio.create_task(group.submit(0))
        await _begun(gate)
        others = [asyncio.create_task(group.submit(number)) for number in many]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *others)

    asyncio.run(callers())
    assert [len(taken) for taken in gate.together] == [1, MOST_AT_ONCE, 5]
    group.close()


def test_what_was_queued_is_carried_out_before_the_end_and_nothing_after_it() -> None:
    gate = Gate()
    group: GroupCommit[int, str] = GroupCommit(gate.write)

    async def callers() -> str:
        waiting = asyncio.create_task(group.submit(1))
        await _begun(gate)
        closing_it = threading.Thread(target=group.close)
        closing_it.start()
        gate.open.set()
        answer = await waiting
        closing_it.join()
        with pytest.raises(Closed):
            await group.submit(2)
        return answer

    assert asyncio.run(callers()) == "done 1"


def test_a_loop_that_is_gone_leaves_the_writer_at_work() -> None:
    gate = Gate()
    group: GroupCommit[int, str] = GroupCommit(gate.write)

    async def leaves_early() -> None:
        task = asyncio.create_task(group.submit(1))
        await _begun(gate)
        task.cancel()

    asyncio.run(leaves_early())
    gate.open.set()
    assert asyncio.run(group.submit(2)) == "done 2"
    group.close()


def test_many_callers_are_answered_with_what_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "oms.db"
    seen_by_others: list[int] = []

    async def create(engine: Engine, other: sqlite3.Connection, number: int) -> CommandResult:
        result = await engine.submit(_create(number), session_id="S1")
        found = other.execute("SELECT count(*) FROM events WHERE command_id = ?", (f"k{number}",)).fetchone()
        seen_by_others.append(found[0])
        return result

    async def all_of_them(engine: Engine, other: sqlite3.Connection) -> list[CommandResult]:
        return await asyncio.gather(*(create(engine, other, number) for number in range(40)))

    with Engine.open(str(file)) as engine, closing(sqlite3.connect(file)) as other:
        results = asyncio.run(all_of_them(engine, other))
        assert all(result.ok and result.state == "UNACK" for result in results)
        assert seen_by_others == [2] * 40
        assert engine.counts() == {"orders": 40, "executions": 0, "events": 80}


def test_a_refused_command_takes_nobody_with_it(tmp_path: Path) -> None:
    async def all_of_them(engine: Engine) -> list[CommandResult]:
        bad = {"type": "OrderAcceptCmd", "orderId": "nobody"}
        return await asyncio.gather(*(engine.submit(command) for command in (_create(1), bad, _create(2))))

    with Engine.open(str(tmp_path / "oms.db")) as engine:
        first, bad, second = asyncio.run(all_of_them(engine))
        assert (first.ok, second.ok) == (True, True)
        assert bad.error is not None
        assert bad.error.error_code == "OMS-ORDER-001"
        assert engine.counts()["orders"] == 2


def test_a_commit_that_fails_is_told_to_every_caller_and_stores_nothing(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")

    async def all_of_them(engine: Engine) -> list[CommandResult]:
        return await asyncio.gather(*(engine.submit(_create(number)) for number in range(3)))

    with Engine.open(file) as engine:
        asyncio.run(engine.submit(_create(9)))
        (pages,) = engine._store.connection.execute("PRAGMA page_count").fetchone()
        engine._store.connection.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(10, 400):
            result = engine.execute(_create(number))
            if not result.ok:
                break
        before = engine.counts()
        results = asyncio.run(all_of_them(engine))
        assert {result.error and result.error.error_code for result in results} == {"OMS-DATA-003"}
        assert engine.counts() == before
        engine._store.connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
        assert all(result.ok for result in asyncio.run(all_of_them(engine)))


def test_a_closed_engine_answers_whoever_submits() -> None:
    engine = Engine.open()
    engine.close()
    result = asyncio.run(engine.submit(_create(1)))
    assert result.error is not None
    assert (result.error.error_code, result.error.detail) == (
        "OMS-DATA-002",
        "the engine is closed; open the store again",
    )


def test_listeners_are_told_once_per_commit_what_was_submitted() -> None:
    told: list[str] = []

    async def all_of_them(engine: Engine) -> None:
        await asyncio.gather(*(engine.submit(_create(number)) for number in range(3)))

    with Engine.open() as engine:
        engine.subscribe(lambda events: told.extend(event.type for event in events))
        asyncio.run(all_of_them(engine))
    assert told == ["OrderCreated", "OrderPlaced"] * 3
