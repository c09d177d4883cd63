"""How is a question read, and does SQLite answer it as Python would?"""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from oms_engine.domain.catalogue import citation
from oms_engine.domain.filters import (
    _READERS,
    ENTITIES,
    OPERATORS,
    FieldType,
    Operator,
    QueryField,
    _entity,
    fold_case,
    read_query,
)
from oms_engine.errors import Problem, Refused
from oms_engine.framework.specification import Specification
from oms_engine.record import Record, instant_text, plain
from oms_engine.settings import Settings
from oms_engine.storage.paths import route
from oms_engine.storage.queries import Page, statement
from oms_engine.storage.statements import SqlCompiler, end_of_prefix
from tests.oms_engine.desk import Desk

SPECS: list[dict[str, Any]] = [
    {"state": "NEW", "symbol": "IBM", "price": "99.5", "text": "a_b", "putOrCall": 0},
    {"state": "UNACK", "symbol": "ibm", "price": "100", "text": "A%B", "putOrCall": 1},
    {"state": "LIVE", "symbol": "Ibm.N", "side": "SELL", "price": "100.00000001", "text": "x\\y"},
    {"state": "PART", "symbol": "MSFT", "price": "1000", "text": "Ünïcode", "settlDate": "2026-01-05"},
    {"state": "PART+PCXL", "symbol": "MSFT", "price": "-2", "priceType": "SPREAD", "text": "ünïcode"},
    {"state": "FILLED", "symbol": "null", "ordType": "MARKET", "price": None, "settlDate": "2026-01-06"},
    {"state": "CXL", "symbol": "A,B", "price": "9", "orderQty": "2000.5", "expireTime": "2026-02-01T00:00:00Z"},
    {"state": "REJ", "symbol": "IBM", "price": "10", "orderQty": "0.00000001", "account": "a'; DROP TABLE orders; --"},
    {"state": "EXP", "symbol": "IBM", "price": "0.00000001", "expireTime": "2026-02-01T00:00:00.000001Z"},
    {"state": "CLOSED", "symbol": "TSLA", "price": "999999999999999999.99999999", "stopPx": "7"},
]


def filled_market() -> Desk:
    desk = Desk()
    for spec in SPECS:
        desk.given(spec["state"], **{name: value for name, value in spec.items() if name != "state"})
    return desk


@pytest.fixture(scope="module")
def market() -> Iterator[Desk]:
    desk = filled_market()
    yield desk
    desk.engine.close()


@pytest.fixture(scope="module")
def floor() -> Iterator[Desk]:
    """The same market with a parent, a group and quotes, so that there is something of every entity."""
    desk = filled_market()
    parent = desk.given("NEW", autoForward=False)
    child = desk.given("PART", parentOrderId=parent, orderQty="500")
    desk.ok("ExecutionCorrectCmd", orderId=child, execRefId="e1", lastQty="250", lastPx="99", reason="typing error")
    members = [desk.given("NEW", autoAllocation=False) for _ in range(2)]
    group = desk.ok("OrderGroupCmd", memberOrderIds=members, autoAllocation=False).id
    desk.ok("OrderPlaceCmd", orderId=group)
    desk.accept(group)
    desk.fill(group, "7")
    desk.ok("AllocationApproveCmd", orderId=group, quantity="4", approvedBy="ann")
    for name in ("IBM", "ibm"):
        asked = {"quoteReqId": name, "symbol": name, "quantity": "100", "currency": "USD"}
        desk.ok("QuoteRequestCreateCmd", quoteRequest=asked)
    desk.ok("QuoteCreateCmd", quote={"quoteReqId": "ibm", "price": "10", "quotedBy": "ann"})
    yield desk
    desk.engine.close()


def everything(desk: Desk, entity: str) -> list[Any]:
    return desk.engine.query(entity=entity, size=500).content


def refusal(desk: Desk, **question: Any) -> Problem:  # noqa: ANN401 - whatever a client may ask
    with pytest.raises(Refused) as refused:
        desk.engine.query(**question)
    return refused.value.problem


def ids(page: Page) -> list[str]:
    return [order.order_id for order in page.content]  # type: ignore[attr-defined] # orders were asked for


def asked(market: Desk, *where: Any, **question: Any) -> list[str]:  # noqa: ANN401 - whatever a client may ask
    return sorted(ids(market.engine.query(where=where, **question)), key=lambda name: int(name[1:]))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("symbol=IBM", "o1 o8 o9"),
        ("symbol__ne=IBM", "o2 o3 o4 o5 o6 o7 o10"),
        ("symbol__like=ibm", "o1 o2 o3 o8 o9"),
        ("symbol__in=IBM,TSLA", "o1 o8 o9 o10"),
        ("symbol__in=null", "o6"),
        ("text__like=_", "o1"),
        ("text__like=%", "o2"),
        ("text__like=\\", "o3"),
        ("text__like=ünïc", "o5"),
        ("text=null", "o6 o7 o8 o9 o10"),
        ("text__ne=null", "o1 o2 o3 o4 o5"),
        ("text__ne=a_b", "o2 o3 o4 o5 o6 o7 o8 o9 o10"),
        ("account=a'; DROP TABLE orders; --", "o8"),
        ("price=100.00", "o2"),
        ("price=null", "o6"),
        ("price__gt=100", "o3 o4 o10"),
        ("price__gte=100.0", "o2 o3 o4 o10"),
        ("price__lt=10", "o5 o7 o9"),
        ("price__lte=10", "o5 o7 o8 o9"),
        ("price__between=9,99.5", "o1 o7 o8"),
        ("price__between=100,", "o2 o3 o4 o10"),
        ("price__between=,9", "o5 o7 o9"),
        ("price__in=-2, 9.000", "o5 o7"),
        ("price__gt=99999999999999999999999999", ""),
        ("price__lt=99999999999999999999999999", "o1 o2 o3 o4 o5 o7 o8 o9 o10"),
        ("price__gt=0.000000001", "o1 o2 o3 o4 o7 o8 o9 o10"),
        ("state=LIVE", "o3 o4 o5"),
        ("state__in=REJ,EXP", "o8 o9"),
        ("cancelState=PCXL", "o5"),
        ("cancelState__ne=PCXL", "o1 o2 o3 o4 o6 o7 o8 o9 o10"),
        ("putOrCall__lte=0", "o1"),
        ("settlDate__gte=2026-01-06", "o6"),
        ("expireTime__gt=2026-02-01T01:00:00+01:00", "o9"),
        ("expireTime=2026-02-01T00:00:00Z", "o7"),
        ("id__between=,2", "o1 o2"),
    ],
)
def test_a_condition_finds_its_orders(condition: str, expected: str, market: Desk) -> None:
    assert asked(market, condition) == expected.split()
    asked_in_memory = read_query(Settings(), where=[condition]).specification
    met = [order.order_id for order in everything(market, "order") if asked_in_memory.is_satisfied_by(order)]
    assert met[::-1] == expected.split()


def test_all_conditions_must_hold_and_fields_may_repeat(market: Desk) -> None:
    assert asked(market, "symbol=IBM", "price__gt=1", "price__lt=50") == ["o8"]
    assert asked(market) == [f"o{number}" for number in range(1, 11)]


def test_a_condition_may_be_an_object(market: Desk) -> None:
    assert asked(market, {"field": "price", "value": 100}) == ["o2"]
    assert asked(market, {"field": "state", "op": "in", "value": ["REJ", "EXP"]}) == ["o8", "o9"]
    assert asked(market, {"field": "text", "op": "ne", "value": None}) == ["o1", "o2", "o3", "o4", "o5"]
    assert asked(market, {"field": "price", "op": "between", "value": "9,10"}) == ["o7", "o8"]


@pytest.mark.parametrize(
    ("question", "rule_id", "field", "words"),
    [
        (
            {"entity": "orders"},
            "QRY-01",
            "entity",
            "use one of order, execution, allocation, quote, quote_request, event",
        ),
        ({"where": ["symbl=IBM"]}, "QRY-02", "symbl", "did you mean symbol? valid: orderId, "),
        ({"where": ["=IBM"]}, "QRY-02", "", "valid: orderId, "),
        ({"where": ["order_id=o1"]}, "QRY-02", "order_id", "valid: orderId, "),
        ({"where": ["price__like=1"]}, "QRY-03", "price", "use one of eq, ne, in, gt, gte, lt, lte, between"),
        ({"where": ["symbol__gt=A"]}, "QRY-03", "symbol", "use one of eq, ne, like, startswith, in"),
        ({"where": ["state__like=L"]}, "QRY-03", "state", "use one of eq, ne, in"),
        ({"where": ["symbol__EQ=A"]}, "QRY-03", "symbol", "use one of"),
        ({"where": ["symbol__=A"]}, "QRY-03", "symbol", "use one of"),
        ({"where": ["state=live"]}, "QRY-04", "state", "use one of NEW, UNACK, LIVE"),
        ({"where": ["price=cheap"]}, "QRY-04", "price", "plain decimal"),
        ({"where": ["price=1e3"]}, "QRY-04", "price", "plain decimal"),
        ({"where": ["id=1.5"]}, "QRY-04", "id", "whole number"),
        ({"where": ["id=\u0663"]}, "QRY-04", "id", "whole number"),
        ({"where": ["id=\u00b2"]}, "QRY-04", "id", "whole number"),
        ({"where": ["id=" + "9" * 19]}, "QRY-04", "id", "at most 18 digits"),
        ({"where": ["createdAt=2026-01-01"]}, "QRY-04", "createdAt", "offset"),
        ({"where": ["settlDate=5.1.2026"]}, "QRY-04", "settlDate", "2026-01-02"),
        ({"where": ["symbol="]}, "QRY-04", "symbol", "give 1 to 1000 characters"),
        ({"where": ["symbol=  "]}, "QRY-04", "symbol", "give 1 to 1000 characters"),
        ({"where": ["symbol__in=IBM,,X"]}, "QRY-04", "symbol", "give 1 to 1000 characters"),
        ({"where": ["symbol=" + "x" * 1001]}, "QRY-04", "symbol", "give 1 to 1000 characters"),
        ({"where": ["symbol=\ud800"]}, "QRY-04", "symbol", "half a character"),
        ({"where": ["symbol__in=" + ",".join("x" * 101)]}, "QRY-04", "symbol", "at most 100"),
        ({"where": ["symbol=null"]}, "QRY-04", "symbol", "never null"),
        ({"where": ["price__gt=null"]}, "QRY-04", "price", "plain decimal"),
        ({"where": ["price__between=1"]}, "QRY-04", "price", "both ends included"),
        ({"where": ["price__between=,"]}, "QRY-04", "price", "both ends included"),
        ({"where": ["price__between=1,2,3"]}, "QRY-04", "price", "both ends included"),
        ({"where": ["price__between=2,1"]}, "QRY-04", "price", "smaller value first"),
        ({"where": ["price__between=a,1"]}, "QRY-04", "price", "plain decimal"),
        ({"where": ["symbol"]}, "QRY-04", "where", "field=value"),
        ({"where": [{"field": "symbol"}]}, "QRY-04", "where", "{field, op, value}"),
        ({"where": [{"field": "symbol", "value": "x", "or": 1}]}, "QRY-04", "where", "{field, op, value}"),
        ({"where": ["id=1"] * 51}, "QRY-04", "where", "at most 50"),
        ({"page": "first"}, "QRY-04", "page", "whole number"),
        ({"page": True}, "QRY-04", "page", "whole number"),
        ({"size": "1.5"}, "QRY-04", "size", "whole number"),
        ({"sort": "colour"}, "QRY-05", "colour", "valid: orderId, "),
        ({"sort": "price,UP"}, "QRY-05", "sort", "use ASC or DESC"),
        ({"sort": "price;;id"}, "QRY-05", "", "valid: orderId, "),
    ],
)
def test_what_cannot_be_read_lists_what_can(
    question: dict[str, Any], rule_id: str, field: str, words: str, market: Desk
) -> None:
    problem = refusal(market, **question)
    assert [(one.rule_id, one.field, one.code) for one in problem.violations] == [(rule_id, field, "OMS-VAL-004")]
    assert words in problem.detail
    assert problem.citation == citation(rule_id)
    assert (problem.error_code, problem.status, problem.retryable) == ("OMS-VAL-004", 400, False)


def test_everything_that_is_wrong_is_told_together(market: Desk) -> None:
    problem = refusal(market, where=["x=1", "price__like=1", "state=up"], sort="y", page="z", size="w")
    assert [one.rule_id for one in problem.violations] == ["QRY-02", "QRY-03", "QRY-04", "QRY-05", "QRY-04", "QRY-04"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", "o10 o9 o8 o7 o6 o5 o4 o3 o2 o1"),
        ("price", "o5 o9 o7 o8 o1 o2 o3 o4 o10 o6"),
        ("price,DESC", "o10 o4 o3 o2 o1 o8 o7 o9 o5 o6"),
        ("symbol,asc;price,desc", "o7 o1 o8 o9 o3 o4 o5 o10 o2 o6"),
        ("putOrCall,DESC", "o2 o1 o3 o4 o5 o6 o7 o8 o9 o10"),
        ("state", "o10 o7 o9 o6 o3 o4 o5 o1 o8 o2"),
    ],
)
def test_a_result_is_sorted_with_nulls_last_and_the_sequence_as_tie_break(
    sort: str, expected: str, market: Desk
) -> None:
    assert ids(market.engine.query(sort=sort)) == expected.split()


def test_pages_partition_the_result(market: Desk) -> None:
    pages = [market.engine.query(sort="state", page=page, size=3) for page in range(4)]
    assert [name for page in pages for name in ids(page)] == ids(market.engine.query(sort="state"))
    assert [len(page.content) for page in pages] == [3, 3, 3, 1]
    assert pages[1].to_wire()["page"] == {"number": 1, "size": 3, "totalElements": 10, "totalPages": 4}
    assert market.engine.query(page="4", size="3").content == []


@pytest.mark.parametrize(
    ("page", "size", "number", "used", "warnings"),
    [
        (-1, 10, 0, 10, 1), (0, 0, 0, 1, 1), (0, -5, 0, 1, 1), (0, 501, 0, 500, 1), (0, 500, 0, 500, 0),
        (0, None, 0, 50, 0), (0, 1, 0, 1, 0), ("", "", 0, 50, 0), (10**15, 10**15, 10**9, 500, 2),
    ],
)  # fmt: skip
def test_page_and_size_are_clamped_and_said(
    page: int | str,
    size: int | str | None,
    number: int,
    used: int,
    warnings: int,
    market: Desk,
) -> None:
    result = market.engine.query(page=page, size=size)
    assert (result.page.number, result.page.size, len(result.warnings)) == (number, used, warnings)


def test_executions_and_events_can_be_asked(market: Desk) -> None:
    found = market.engine.query(entity="execution", where=["orderId=o4", "lastQty=300"])
    assert [execution.exec_id for execution in found.content] == ["e1"]  # type: ignore[attr-defined]
    events = market.engine.query(entity="event", where=["streamId=order-o4", "type__like=execution"])
    assert [event.type for event in events.content] == ["ExecutionCreated"]  # type: ignore[attr-defined]
    assert events.content[0].to_wire()["payload"]["lastQty"] == "300"
    newest = market.engine.query(entity="event", size=1).content[0]
    assert newest.position == market.engine.counts()["events"]  # type: ignore[attr-defined]


def test_every_scalar_field_can_be_asked_and_sorted(floor: Desk) -> None:
    for entity in ENTITIES.values():
        for field in entity.fields.values():
            assert field.description, field
            assert floor.engine.query(entity=entity.name, sort=f"{field.name},DESC").page.total_elements > 0
            assert field.operators == OPERATORS[field.type]
    assert set(ENTITIES["event"].fields) >= {"position", "streamId", "type", "commandId", "actor", "recordedAt"}
    assert ENTITIES["order"].fields["leavesQty"].fix == 151
    assert ENTITIES["order"].fields["cancelState"].nullable
    assert not ENTITIES["order"].fields["state"].nullable


def _text_of(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return instant_text(value)
    return value.isoformat() if isinstance(value, date) else str(value)


SEEN: dict[FieldType, list[str]] = {
    FieldType.STRING: ["IBM", "ibm", "a", "o1", "e1", "%", "_", "null", "ACC", "zzz", "Ü", "order-o1", "Order"],
    FieldType.DECIMAL: ["-2", "0", "9.99999999", "9.999999999", "100", "1000", "99999999999999999999", "-1"],
    FieldType.INTEGER: ["0", "1", "3", "-1", "20", "999999999999999999"],
    FieldType.INSTANT: ["2026-01-02T09:30:00.003Z", "2026-02-01T00:00:00Z", "2000-01-01T00:00:00+05:00"],
    FieldType.BOOLEAN: ["true", "false"],
    FieldType.DATE: ["2026-01-05", "2026-01-06", "1999-01-01"],
}


def one_value(field: QueryField) -> st.SearchStrategy[str]:
    if field.type is FieldType.ENUM:
        return st.sampled_from(field.values)
    if field.type is FieldType.STRING:
        return st.sampled_from(SEEN[field.type]) | st.text(
            st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1, max_size=3
        ).filter(lambda text: bool(text.strip()))
    return st.sampled_from(SEEN[field.type])


@st.composite
def conditions(draw: st.DrawFn, entity: str) -> dict[str, str | None]:
    field = draw(st.sampled_from(list(ENTITIES[entity].fields.values())))
    operator = draw(st.sampled_from(field.operators))
    if operator is Operator.IN:
        text = ",".join(draw(st.lists(one_value(field), min_size=1, max_size=3)))
    elif operator is Operator.BETWEEN:
        low, high = draw(st.sampled_from([("x", "x"), ("x", ""), ("", "x")]))
        ends = sorted((draw(one_value(field)) for _ in range(2)), key=lambda text: _READERS[field.type](field, text))
        text = ",".join(value if end else "" for value, end in zip(ends, (low, high), strict=True))
    elif operator in {Operator.EQ, Operator.NE} and field.nullable and draw(st.booleans()):
        return {"field": field.name, "op": operator, "value": None}
    else:
        text = draw(one_value(field))
    return {"field": field.name, "op": operator, "value": text}


@given(data=st.data())
def test_sqlite_and_python_agree_on_every_condition(data: st.DataObject, floor: Desk) -> None:
    entity = data.draw(st.sampled_from(list(ENTITIES)))
    where = data.draw(st.lists(conditions(entity), max_size=3))
    query = read_query(Settings(), entity=entity, where=where, size=500)
    page = floor.engine.query(entity=entity, where=where, size=500)
    expected = [record for record in everything(floor, entity) if query.specification.is_satisfied_by(record)]
    assert page.content == expected
    assert page.page.total_elements == len(expected)


@given(data=st.data())
def test_any_sort_and_any_page_size_partition_the_same_order(data: st.DataObject, market: Desk) -> None:
    fields = ENTITIES["order"].fields
    names = data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True))
    directions = data.draw(st.lists(st.sampled_from(["", ",ASC", ",desc"]), min_size=2, max_size=2))
    sort = ";".join(name + direction for name, direction in zip(names, directions, strict=False))
    size = data.draw(st.integers(1, 12))
    expected = sorted(everything(market, "order"), key=attrgetter("id"), reverse=not names)
    for name, direction in reversed(list(zip(names, directions, strict=False))):
        attribute = attrgetter(fields[name].attribute)
        some = [record for record in expected if attribute(record) is not None]
        some.sort(key=lambda record, value=attribute: _key(value(record)), reverse="desc" in direction)  # type: ignore[misc]
        expected = some + [record for record in expected if attribute(record) is None]
    pages = [market.engine.query(sort=sort, page=page, size=size).content for page in range(-(-10 // size))]
    assert [record for page in pages for record in page] == expected


def _key(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    return value if isinstance(value, Decimal | int | date) else str(getattr(value, "value", value))


def test_allocations_and_quotes_can_be_asked(floor: Desk) -> None:
    handed = floor.engine.query(entity="allocation", sort="id").content
    assert [(one.giver_order_id, one.receiver_order_id, one.quantity, one.status) for one in handed] == [  # type: ignore[attr-defined]
        ("o12", "o11", Decimal(300), "REVERSED"),
        ("o12", "o11", Decimal(250), "APPLIED"),
        ("GRP-1", "o13", Decimal(2), "APPLIED"),
        ("GRP-1", "o14", Decimal(2), "APPLIED"),
    ]
    found = floor.engine.query(entity="allocation", where=["status=APPLIED", "receiverOrderId=o11", "price=99"])
    assert [one.quantity for one in found.content] == [250]  # type: ignore[attr-defined]
    requests = floor.engine.query(entity="quote_request", where=["symbol=ibm", "state=QUOTED"]).content
    assert [one.quote_req_id for one in requests] == ["ibm"]  # type: ignore[attr-defined]
    quotes = floor.engine.query(entity="quote", where=["price__gte=10", "quotedBy=ann"]).content
    assert [(one.quote_req_id, one.quantity) for one in quotes] == [("ibm", 100)]  # type: ignore[attr-defined]


def test_flags_are_asked_in_sql(floor: Desk) -> None:
    assert [order.order_id for order in floor.engine.query(where=["isGroupedOrder=true"]).content] == ["GRP-1"]  # type: ignore[attr-defined]
    assert ids(floor.engine.query(where=["autoForward=false"])) == ["o11"]
    assert "o11" not in ids(floor.engine.query(where=["autoForward__ne=false"]))


def test_a_question_is_one_bound_statement(market: Desk) -> None:
    query = read_query(market.engine.settings, where=["symbol=x'; --", "price__in=1,2", "text__like=%"], sort="price")
    sql = statement(query, route(market.engine._store.connection, query))
    assert "x'" not in sql.sql
    assert sql.sql.count("?") == len(sql.values) == 6
    assert sql.sql.endswith("ORDER BY price ASC, id ASC LIMIT ? OFFSET ?")


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        ("AC", "AD"),
        ("a%", "a&"),
        ("\U0010ffff", None),
        ("a\U0010ffff\U0010ffff", "b"),
        ("x\ud7ff", "x\ue000"),
        ("~", "\x7f"),
    ],
)
def test_a_prefix_is_a_range_that_ends_before_the_next_text(prefix: str, end: str | None) -> None:
    assert end_of_prefix(prefix) == end


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_starts_with_a_prefix_when_it_lies_in_its_range(prefix: str, text: str) -> None:
    end = end_of_prefix(prefix)
    for each in (text, prefix + text):
        spelt = each.encode()
        assert each.startswith(prefix) is (prefix.encode() <= spelt and (end is None or spelt < end.encode()))


def test_a_prefix_is_case_sensitive_and_literal(market: Desk) -> None:
    def symbols(prefix: str) -> set[str]:
        found = market.engine.query(where=[{"field": "symbol", "op": "startswith", "value": prefix}]).content
        return {order.symbol for order in found}  # type: ignore[attr-defined]

    assert symbols("I") == {"IBM", "Ibm.N"}
    assert symbols("ib") == {"ibm"}
    assert symbols("%") == symbols("_") == symbols("\U0010ffff") == set()
    assert ids(market.engine.query(where=["text__startswith=A%"])) == ["o2"]
    assert ids(market.engine.query(where=["text__startswith=Ü"])) == ["o4"]


def test_conditions_combine_in_sql_as_they_do_in_python(market: Desk) -> None:
    leaves = [
        Specification[Record].where(condition)
        for condition in read_query(Settings(), where=["symbol=IBM", "price__gt=50", "text=null"]).conditions
    ]
    for specification in (leaves[0] | leaves[1], ~leaves[1], ~(leaves[0] & ~leaves[2]) | leaves[1], ~~leaves[2]):
        clause = specification.compile(SqlCompiler())
        rows = market.engine._store.connection.execute(
            f"SELECT order_id FROM orders WHERE {clause.sql} ORDER BY id DESC",  # noqa: S608 - from the compiler
            clause.values,
        )
        expected = [order.order_id for order in everything(market, "order") if specification.is_satisfied_by(order)]
        assert [row[0] for row in rows] == expected


def test_only_conditions_of_the_registry_become_sql() -> None:
    with pytest.raises(TypeError, match="no condition of the registry"):
        Specification[Record].where(lambda _: True).compile(SqlCompiler())


def test_like_folds_ascii_letters_only() -> None:
    assert fold_case("ÄbC") == "Äbc"


class Lamp(Record):
    """A record with fields that orders do not have."""

    id: int
    lit: bool | None = None
    watts: dict[str, int] = Field(default_factory=dict)
    tags: Any = None


def test_a_new_record_is_asked_by_the_types_of_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    lamps = _entity("lamp", Lamp, "id")
    assert {field.name: field.type.value for field in lamps.fields.values()} == {"id": "integer", "lit": "boolean"}
    monkeypatch.setitem(ENTITIES, "lamp", lamps)
    on, off, broken = Lamp(id=1, lit=True), Lamp(id=2, lit=False), Lamp(id=3)

    def found(*where: Any) -> list[int]:  # noqa: ANN401 - whatever a client may ask
        asked = read_query(Settings(), entity="lamp", where=where).specification
        return [lamp.id for lamp in (on, off, broken) if asked.is_satisfied_by(lamp)]

    assert found("lit=true") == found({"field": "lit", "value": True}) == [1]
    assert found({"field": "lit", "op": "ne", "value": True}) == [2, 3]
    assert found({"field": "lit", "value": False}) == [2]
    with pytest.raises(Refused, match="neither true nor false"):
        found("lit=yes")
    with pytest.raises(Refused, match="use one of eq, ne"):
        found("lit__in=true")
