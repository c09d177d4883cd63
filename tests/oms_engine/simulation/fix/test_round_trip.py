"""What a simulated market did, written as a FIX log and replayed: the same orders, and no difference."""

import io
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import partial

import pytest

from oms_engine import Engine, Order
from oms_engine.domain.decider.evolve import fold
from oms_engine.domain.events import StoredEvent, stream_of
from oms_engine.domain.model import OrderState
from oms_engine.simulation.fix.account import Account
from oms_engine.simulation.fix.clock import LogClock
from oms_engine.simulation.fix.replaying import Replay
from oms_engine.simulation.fix.writing import FixLog, parents_of, write_log
from oms_engine.simulation.ids import CountedIds
from oms_engine.simulation.market.mixes import MIXES
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.session import Session
from oms_engine.simulation.market.world import World
from oms_engine.simulation.scenario import parse_scenarios
from tests.docs import stories
from tests.oms_engine.simulation.fix.logs import assert_it_adds_up

Final = tuple[str, str, Decimal, Decimal | None, Decimal, Decimal | None, Decimal | None]
EVERY = {"0", "4", "5", "8", "C", "F", "H"}
"""ExecTypes (150) that a market with faults reports."""


def traded(plan: MarketPlan) -> Engine:
    world = World()
    engine = Engine.open(clock=world.clock, new_id=world.new_id)
    for number in range(1, plan.sessions + 1):
        for _ in Session(plan, number, world, engine.run).run():
            pass
    return engine


def orders(engine: Engine) -> Iterator[Order]:
    cursor: str | None = "*"
    while cursor:
        page = engine.query(cursor=cursor, size=500)
        yield from (order for order in page.content if isinstance(order, Order))
        cursor = page.next_cursor


def went_out(engine: Engine) -> Iterator[Order]:
    """The orders of an engine that went to the market themselves."""
    parents = parents_of(engine)
    for order in orders(engine):
        is_member = order.group_order_id is not None and not order.is_grouped_order
        if order.order_id not in parents and not is_member and order.state != "NEW":
            yield order


def final(found: Iterator[Order]) -> dict[tuple[str, str], Final]:
    return {
        (order.session_id, order.cl_ord_id): (
            order.state, order.symbol, order.cum_qty, order.leaves_qty, order.avg_px, order.order_qty, order.price,
        )
        for order in found
    }  # fmt: skip


def assert_it_comes_again(plan: MarketPlan) -> tuple[Account, bytes]:
    """Trade, write, replay: nothing differs, and every order ends as it did."""
    clock, log = LogClock(), io.BytesIO()
    with traded(plan) as engine, Engine.open(clock=clock, new_id=CountedIds()) as again:
        told = write_log(engine, log)
        account = Replay(again, clock).run(io.BytesIO(log.getvalue()))
        assert_it_adds_up(account)
        assert account.differences == ()
        assert account.spotless
        assert account.verdicts["NOT_REPLAYED"] == told.types["A"] + told.types["5"] == 4
        assert final(orders(again)) == final(went_out(engine))
        assert again.counts()["executions"] == engine.counts()["executions"]
        assert told.orders == len(final(orders(again)))
    return account, log.getvalue()


@pytest.mark.parametrize("mix", MIXES)
def test_a_day_of_a_market_with_faults_comes_again(mix: str) -> None:
    account, log = assert_it_comes_again(MarketPlan(orders=200, seed=7, mix=mix, faults="many"))
    assert account.pieces >= 500
    kinds = {found.decode() for found in re.findall(rb"\x01150=(.)\x01", log)}
    assert kinds == EVERY
    assert {b"D", b"F", b"G"} <= set(re.findall(rb"\x0135=(.)\x01", log))


def order_of(events: list[StoredEvent], order_id: str, version: int) -> OrderState | None:
    """An order after its first so many events."""
    return fold([stored for stored in events if stored.stream_id == stream_of(order_id) and stored.version <= version])


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_days_of_many_seeds_come_again(mix: str) -> None:
    for seed in range(1, 31):
        assert_it_comes_again(MarketPlan(orders=40, seed=seed, mix=mix, faults="many", orders_per_session=20))


@pytest.mark.slow
def test_every_story_of_the_documents_goes_through_a_log_and_back() -> None:
    seen = 0
    for block in stories.blocks():
        events = stories.run_of(block.reference).events
        created = (stored.payload for stored in events if stored.type == "OrderCreated")
        parents = {event.parent_order_id for event in created if event.parent_order_id}  # type: ignore[attr-defined] # OrderCreated
        log = FixLog(parents)
        data = b"\n".join(log.messages(events))
        assert data == b"\n".join(FixLog(parents, earlier=partial(order_of, events)).messages(events)), block.reference
        if not log.written().orders:
            continue
        seen += 1
        (scenario,) = parse_scenarios(block.text, block.path)
        clock = LogClock()
        with Engine.open(settings=scenario.settings, clock=clock, new_id=CountedIds()) as engine:
            account = Replay(engine, clock).run(io.BytesIO(data))
        assert_it_adds_up(account)
        changed = any(stored.type == "SettingsChanged" for stored in events)
        assert account.unexplained == 0, (block.reference, account.differences)
        assert account.spotless or changed, (block.reference, account.differences)
    assert seen > 200
