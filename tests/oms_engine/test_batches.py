"""Do the commands of a batch share one commit, are they answered at once, and is nothing left of a batch that fails?"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import Engine, StoreError
from oms_engine.batch import Batch
from oms_engine.domain.events import StoredEvent
from oms_engine.errors import StoreRolledBack
from tests.oms_engine.desk import Desk

Envelope = dict[str, object]


def create(number: int) -> Envelope:
    order = Desk().asked(orderId=f"o{number}", clOrdId=f"c{number}")
    return {"type": "OrderCreateCmd", "commandId": f"create-{number}", "order": order}


def accept(number: int) -> Envelope:
    return {"type": "OrderAcceptCmd", "commandId": f"accept-{number}", "orderId": f"o{number}"}


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(str(tmp_path / "oms.db"))
    yield desk
    desk.engine.close()


def test_the_commands_of_a_block_are_answered_at_once_and_stored_at_its_end(file: Desk) -> None:
    other = file.engine._store.reader()
    told: list[int] = []
    file.engine.subscribe(lambda events: told.append(len(events)))
    with closing(other), file.engine.batch() as batch:
        assert batch.execute(create(1)).state == "UNACK"
        assert batch.run(accept(1)).result.state == "LIVE"
        assert (other.events(), told) == ([], [])
    assert [event.type for event in file.engine.events()] == ["OrderCreated", "OrderPlaced", "OrderAccepted"]
    assert told == [3]
    assert batch.warnings == ()


def test_what_was_answered_can_be_read_inside_and_decides_what_comes_next(file: Desk) -> None:
    with file.engine.batch() as batch:
        batch.run(create(1))
        assert file.engine.find("o1").state == "UNACK"
        assert file.engine.query(where=["state=UNACK"]).content == [file.engine.find("o1")]
        batch.run(accept(1))
        assert file.engine.find("o1").state == "LIVE"
    assert file.engine.verify().sound


def test_a_refused_command_takes_back_itself_alone(file: Desk) -> None:
    with file.engine.batch() as batch:
        batch.run(create(1))
        refused = batch.run(accept(2))
        assert refused.result.error is not None
        assert refused.result.error.error_code == "OMS-ORDER-001"
        batch.run(accept(1))
    assert file.order("o1").state == "LIVE"
    assert file.engine.written_by("accept-2") == []


def test_an_exception_takes_everything_back_and_nobody_is_told(desk: Desk) -> None:
    told: list[Sequence[StoredEvent]] = []
    desk.engine.subscribe(told.append)
    before = desk.rows()
    with pytest.raises(KeyboardInterrupt), desk.engine.batch() as batch:  # noqa: PT012 - what it ends is the test
        batch.run(create(1))
        raise KeyboardInterrupt
    assert desk.rows() == before
    assert told == []
    assert desk.ok("OrderCreateCmd", order=desk.asked()).state == "UNACK"


def test_a_batch_that_is_taken_back_leaves_nothing(desk: Desk) -> None:
    before = desk.rows()
    with desk.engine.batch() as batch:
        batch.run(create(1))
        batch.take_back()
        assert batch.run(accept(1)).result.ok
    assert desk.rows() == before


def test_an_empty_batch_stores_nothing(desk: Desk) -> None:
    before = desk.rows()
    with desk.engine.batch():
        pass
    assert desk.rows() == before


def test_a_command_is_known_again_inside_its_batch_and_in_the_next(desk: Desk) -> None:
    for duplicate in (False, True):
        with desk.engine.batch() as batch:
            assert batch.execute(create(1)).duplicate is duplicate
            assert batch.execute(create(1)).duplicate is True
    assert desk.engine.counts()["events"] == 2


def test_nothing_else_is_written_by_a_thread_inside_its_batch(file: Desk) -> None:
    engine = file.engine
    with engine.batch() as batch:
        batch.run(create(1))
        for write in (
            lambda: engine.execute(accept(1)),
            lambda: engine.preview(accept(1)),
            lambda: engine.execute_many([accept(1)]),
            lambda: engine.batch().__enter__(),
            engine.compact,
            lambda: asyncio.run(engine.submit(accept(1))),
        ):
            with pytest.raises(RuntimeError, match="inside a batch"):
                write()
        assert batch.execute(accept(1)).ok
    assert file.order("o1").state == "LIVE"
    assert engine.execute(create(2)).ok


def test_another_thread_waits_for_the_end_of_a_batch_and_cannot_use_it(file: Desk) -> None:
    began, seen, refusals = threading.Event(), [], []

    def beside(batch: Batch) -> None:
        try:
            batch.run(create(3))
        except RuntimeError as error:
            refusals.append(str(error))
        seen.append(file.engine.get("o1"))  # a file is read beside whoever writes
        began.set()
        file.engine.execute(create(2))

    with file.engine.batch() as batch:
        batch.run(create(1))
        thread = threading.Thread(target=beside, args=(batch,))
        thread.start()
        assert began.wait(10)
        assert batch.execute(accept(1)).ok
    thread.join(10)
    assert seen == [None]
    assert [word for word in refusals if "belongs to the thread" in word] == refusals != []
    streams = [event.stream_id for event in file.engine.events()]
    assert streams == ["order-o1"] * 3 + ["order-o2"] * 2


def test_a_batch_that_ended_takes_nothing_more_in(desk: Desk) -> None:
    with desk.engine.batch() as batch:
        pass
    with pytest.raises(RuntimeError, match="ended with its block"):
        batch.run(create(1))


def fill_the_disk(batch: Batch) -> None:
    """Run commands until there is no room, and go on as if nothing had happened."""
    for number in range(1_000):
        try:
            batch.run(create(number))
        except StoreRolledBack:
            break
    with pytest.raises(StoreRolledBack):
        batch.run(create(0))


def test_a_disk_that_fails_loses_the_batch_as_a_whole_and_says_so_again(desk: Desk) -> None:
    before = desk.rows()
    connection = desk.engine._store.connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0] + 2}")
    with pytest.raises(StoreRolledBack, match="took the whole transaction back"), desk.engine.batch() as batch:
        fill_the_disk(batch)
    assert desk.rows() == before
    connection.execute("PRAGMA max_page_count = 1000000")
    assert desk.engine.execute(create(1)).ok


def test_a_store_that_another_process_writes_is_busy_and_its_block_is_not_entered(file: Desk) -> None:
    store = file.engine._store
    store.busy_seconds = 0.01
    with closing(sqlite3.connect(store.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        entered = []
        with pytest.raises(StoreError, match="another process"), file.engine.batch():
            entered.append(True)
        assert entered == []
        other.execute("ROLLBACK")
    with file.engine.batch() as batch:
        assert batch.execute(create(1)).ok


def test_a_listener_that_fails_is_told_as_a_warning_of_the_batch(desk: Desk) -> None:
    def fails(_: object) -> None:
        raise ValueError

    desk.engine.subscribe(fails)
    with desk.engine.batch() as batch:
        batch.run(create(1))
    assert batch.warnings == ("a listener failed (ValueError); the events are stored",)


@given(st.lists(st.tuples(st.sampled_from([create, accept]), st.integers(1, 4)), max_size=24), st.integers(1, 7))
def test_batches_of_any_size_store_what_single_commands_store(
    asked: list[tuple[Callable[[int], Envelope], int]], size: int
) -> None:
    envelopes = [make(number) for make, number in asked]
    alone, together = Desk(), Desk()
    with closing(alone.engine), closing(together.engine):
        results = [alone.engine.execute(envelope).ok for envelope in envelopes]
        answered = []
        for first in range(0, len(envelopes), size):
            with together.engine.batch() as batch:
                answered += [batch.execute(envelope).ok for envelope in envelopes[first : first + size]]
        assert answered == results
        assert together.rows() == alone.rows()


def test_a_batch_signs_its_events_with_who_sent_it() -> None:
    with Engine.open() as engine, engine.batch(session_id="S7", actor="ann", client="desk") as batch:
        batch.run(create(1))
        assert {event.actor for event in engine.events()} == {"ann via desk"}
        assert engine.find("o1").session_id == "S7"


def test_a_note_is_kept_with_the_batch_and_goes_with_it(file: Desk) -> None:
    with file.engine.batch() as batch:
        batch.note("mine", "one")
        batch.note("mine", "two")
        assert file.engine.noted("mine") == "two"
    with pytest.raises(KeyError), file.engine.batch() as batch:  # noqa: PT012 - what it ends is the test
        batch.note("mine", "three")
        raise KeyError
    assert (file.engine.noted("mine"), file.engine.noted("other"), file.engine.noted("chainFrom")) == ("two", "", "")
    assert file.engine.verify().sound
