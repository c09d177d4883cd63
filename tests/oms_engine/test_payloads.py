"""Is a payload that msgspec reads the event that pydantic reads, and is what it does not take still read or refused?"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from oms_engine.domain.decider.evolve import FOLDED
from oms_engine.domain.events import EVENTS, Event, ExecutionCreated, OrderAccepted, OrderCreated
from oms_engine.domain.model import NewOrder
from oms_engine.errors import StoreUnavailable
from oms_engine.record import Hashed, Record, digest
from oms_engine.storage.payloads import REFUSED, Reader, Twin
from oms_engine.storage.rows import FOR_FOLDING, SELECT_EVENTS, WHOLE
from tests.oms_engine.desk import Desk

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | LETTERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS, inner, max_size=3),
    max_leaves=6,
)
LEAVES: Mapping[Any, st.SearchStrategy[Any]] = {
    str: LETTERS,
    int: st.integers(-(2**40), 2**40),
    bool: st.booleans(),
    Any: JSON_VALUES,
    Decimal: st.decimals(-(10**17), 10**17, places=8),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - as pydantic has it
    """Any value that a field of this type may have."""
    kind, parts = get_origin(annotation), get_args(annotation)
    if annotation in LEAVES:
        return LEAVES[annotation]
    if kind is Annotated:
        return values_of(parts[0])
    if kind is tuple:
        return st.lists(values_of(parts[0]), max_size=3).map(tuple)
    if NoneType in parts:
        return st.none() | values_of(next(part for part in parts if part is not NoneType))
    if issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    return records(annotation)


def records(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Any record of this kind."""
    fields = {name: values_of(info.annotation) for name, info in kind.model_fields.items()}
    return st.fixed_dictionaries(fields).map(kind.with_values)


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
@given(data=st.data())
def test_every_event_is_read_as_pydantic_reads_it(kind: type[Event], data: st.DataObject) -> None:
    text = data.draw(records(kind)).to_json()
    checked = kind.model_validate_json(text)
    reader = Reader(kind)
    assert reader.record(text) == checked
    twin = reader.read(text)
    assert isinstance(twin, Twin)
    assert list(twin.as_dict().items()) == list(checked.as_dict().items())
    assert reader.record(text).to_json() == text


FILL = ExecutionCreated.of(
    exec_id="e1",
    order_id="o1",
    last_qty=Decimal(1),
    last_px=Decimal("2.5"),
    exec_type="F",
    cum_qty=Decimal(1),
    leaves_qty=Decimal(0),
    avg_px=Decimal("2.5"),
    transact_time=datetime(2026, 1, 2, tzinfo=UTC),
).to_json()


@pytest.mark.parametrize(
    "text",
    [
        FILL.replace('"lastQty":"1"', '"lastQty":1'),
        FILL.replace('"lastQty":"1"', '"lastQty":"1e5"'),
        FILL.replace('"lastQty":"1"', '"lastQty":"NaN"'),
        FILL.replace('"execId":"e1",', ""),
        FILL.replace('"execId":"e1"', '"execId":1'),
        FILL.replace("2026-01-02T", "2026-13-02T"),
        FILL.replace("Z", ""),
        FILL.replace("{", '{"unknown":1,'),
        "[]",
        "{",
    ],
)
def test_nothing_is_read_that_we_do_not_write(text: str) -> None:
    with pytest.raises(REFUSED):
        Reader(ExecutionCreated).read(text)


def test_a_parent_order_is_read_with_its_parts(desk: Desk) -> None:
    desk.given("NEW", orderId="root")
    desk.given("PART", orderId="leaf", clOrdId="leaf", parentOrderId="root", symbol="IBM")
    desk.ok("OrderReplaceCmd", orderId="leaf", clOrdId="again", price="7")
    events = desk.engine.events()
    assert {"AllocationApplied", "OrderReplaceRequested", "OrderPlacementChanged"} <= {each.type for each in events}
    with desk.engine._store.reading() as connection:
        rows = connection.execute(SELECT_EVENTS + "ORDER BY position").fetchall()
        folded = connection.execute(FOR_FOLDING.select + "ORDER BY position").fetchall()
        assert [WHOLE.event(connection, row) for row in rows] == events
        seen = [FOR_FOLDING.event(connection, row) for row in folded]
    for event, happening in zip(events, seen, strict=True):
        assert (happening.position, happening.version, happening.type) == (event.position, event.version, event.type)
        assert happening.recorded_at == event.recorded_at
        assert isinstance(happening.payload, Twin) is (event.type in FOLDED)
        assert happening.payload.as_dict() == event.payload.as_dict()


def test_what_another_program_wrote_is_read_when_it_says_an_event(desk: Desk) -> None:
    """A number where we write text: pydantic takes it, so the event is read."""
    text = OrderAccepted.of(order_qty=Decimal(5)).to_json().replace('"5"', "5")
    row = (1, "order-o1", 2, "OrderAccepted", 1, text, "2026-01-02T09:30:00.000000Z")
    with desk.engine._store.reading() as connection:
        assert FOR_FOLDING.event(connection, row).payload == OrderAccepted.of(order_qty=Decimal(5))


def test_what_is_no_event_is_refused_by_its_position(desk: Desk) -> None:
    row = (7, "order-o1", 1, "OrderCreated", 1, "{}", "2026-01-02T09:30:00.000000Z")
    with desk.engine._store.reading() as connection, pytest.raises(StoreUnavailable, match=r"event 7 \(OrderCreated\)"):
        FOR_FOLDING.event(connection, row)
    with pytest.raises(ValidationError):
        OrderCreated.model_validate_json("{}")


@given(order=records(NewOrder))
def test_the_terms_of_an_order_are_hashed_as_any_values_are(order: Record) -> None:
    names = [name for name in NewOrder.model_fields if name != "text"]
    terms = order.as_dict()
    assert Hashed(NewOrder, names).digest(terms) == digest({name: terms[name] for name in names})
