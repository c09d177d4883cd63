from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import CommandResult, Engine, ScenarioError
from oms_engine.simulation.comparing import Difference, compare
from oms_engine.simulation.run import TICK, ScenarioRun, StepRun, run_scenario
from oms_engine.simulation.scenario import DEFAULT_CLOCK, parse_scenarios
from tests.oms_engine.desk import Desk

HEAD = "id: a\ntitle: t\n"
CREATE = (
    "{type: OrderCreateCmd, order: {orderId: O1, clOrdId: C1, account: A, symbol: ACME, "
    'side: BUY, ordType: MARKET, orderQty: "100"}}'
)
GIVEN = f"{HEAD}given:\n  - {CREATE}\n"


def run(text: str, engine: Engine | None = None) -> ScenarioRun:
    (scenario,) = parse_scenarios(text, "here.yaml")
    return run_scenario(scenario, engine)


def told(run: ScenarioRun) -> list[tuple[str, str, Any, Any]]:
    return [(found.place, found.field, found.expected, found.actual) for found in run.differences]


def test_a_scenario_that_comes_true_has_no_differences() -> None:
    done = run(f"{GIVEN}steps:\n  - do: {{type: OrderAcceptCmd, orderId: O1}}\n    expect: {{state: LIVE}}\n")
    assert done.passed
    assert done.differences == ()
    assert [step.place for step in done.steps] == ["given 1", "step 1"]
    assert [event.type for event in done.events] == ["OrderCreated", "OrderPlaced", "OrderAccepted"]
    assert [(order.order_id, order.state) for order in done.orders] == [("O1", "LIVE")]


def test_a_run_goes_over_the_wire_with_everything_in_it() -> None:
    wire = run(
        f"{GIVEN}steps:\n  - query: {{where: [symbol=ACME]}}\n  - check: {{from: LIVE, path: [FILLED]}}\n"
    ).to_wire()
    assert wire["passed"] is True
    assert wire["steps"][0]["do"]["order"]["orderQty"] == "100"
    assert wire["steps"][0]["result"]["events"][0]["streamId"] == "order-O1"
    assert wire["steps"][1]["page"]["content"][0]["orderId"] == "O1"
    assert wire["steps"][2]["checked"]["valid"] is True
    assert wire["events"][0]["payload"]["symbol"] == "ACME"
    assert wire["orders"][0]["leavesQty"] == "100"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("titel: x\nid: a", 'line 1: "titel" is no key of a scenario; did you mean title? valid: id, title, settings'),
        ("title: x", "line 1: the scenario has no id"),
        ("id: a", "line 1: the scenario has no title"),
        ("id: ''\ntitle: t", "is no text of 1 to 64 characters"),
        ("id: [a]\ntitle: t", "is no text of 1 to 64 characters"),
        ("id: true\ntitle: t", "is no text of 1 to 64 characters"),
        ("id: a\ntitle: {t: 1}", "title of the scenario must be text"),
        ("id: a\ntitle: 7", "title of the scenario must be text, not 7"),
        ("- a", "line 1: a scenario must be an object"),
        ("just text", "line 1: a scenario must be an object"),
        ("", "there is no scenario in it"),
        (f"{HEAD}settings: {{rooting: manual}}", 'line 3: "rooting" is no key of settings; did you mean routing?'),
        (f"{HEAD}settings: {{routing: sideways}}", "line 3: setting routing cannot be"),
        (f"{HEAD}settings: [routing]", "settings must be an object"),
        (f"{HEAD}clock: 2026-01-02", "has no offset"),
        (f"{HEAD}clock: soon", "clock of the scenario"),
        (f"{HEAD}given: x", "given of the scenario must be a list"),
        (f"{HEAD}given: [x]", "line 1: given 1, an envelope such as"),
        (f"{HEAD}steps: {{do: {{}}}}", "steps of the scenario must be a list"),
        (f"{HEAD}steps: [x]", "step 1 must be an object"),
        (f"{HEAD}steps: [{{}}]", "step 1 must have one of do, query and check; it has none of them"),
        (f"{HEAD}steps: [{{do: {{}}, check: {{}}}}]", "it has do and check"),
        (f"{HEAD}steps:\n  - do: {{}}\n  - doo: {{}}", 'line 5: "doo" is no key of step 2; did you mean do?'),
        (f"{HEAD}steps: [{{do: x}}]", "do of step 1 must be an object"),
        (f"{HEAD}steps: [{{do: {{}}, exspect: {{}}}}]", "did you mean expect?"),
        (f"{HEAD}steps: [{{do: {{}}, expect: LIVE}}]", "expect of step 1 must be an object"),
        (
            f"{HEAD}steps: [{{do: {{}}, expect: {{sate: LIVE}}}}]",
            '"sate" is no key of expect of step 1; did you mean state?',
        ),
        (
            f"{HEAD}steps: [{{do: {{}}, expect: {{error: {{errorcode: X}}}}}}]",
            '"errorcode" is no key of error in expect of step 1; did you mean errorCode?',
        ),
        (
            f"{HEAD}steps: [{{do: {{}}, expect: {{error: {{errorCode: X, violations: [{{rule: X}}]}}}}}}]",
            '"rule" is no key of violations in error in expect of step 1; did you mean ruleId?',
        ),
        (
            f"{HEAD}steps: [{{do: {{}}, expect: {{events: [{{name: X}}]}}}}]",
            '"name" is no key of events in expect of step 1',
        ),
        (
            f"{HEAD}steps: [{{query: {{entities: order}}}}]",
            '"entities" is no key of query of step 1; did you mean entity?',
        ),
        (f"{HEAD}steps: [{{query: {{entity: 5}}}}]", "entity of query of step 1 must be text"),
        (f"{HEAD}steps: [{{query: {{sort: [a]}}}}]", "sort of query of step 1 must be text"),
        (f"{HEAD}steps: [{{query: {{where: a=b}}}}]", "where of query of step 1 must be a list"),
        (f"{HEAD}steps: [{{query: {{where: [1]}}}}]", "where of step 1 must list conditions"),
        (f"{HEAD}steps: [{{query: {{size: [1]}}}}]", "size of step 1 must be a whole number"),
        (
            f"{HEAD}steps: [{{query: {{}}, expect: {{id: []}}}}]",
            '"id" is no key of expect of step 1; did you mean ids?',
        ),
        (f"{HEAD}steps: [{{query: {{}}, expect: {{ids: O1}}}}]", "ids of step 1 must be a list"),
        (f"{HEAD}steps: [{{check: {{form: NEW}}}}]", '"form" is no key of check of step 1; did you mean from?'),
        (f"{HEAD}steps: [{{check: {{path: NEW}}}}]", "path of check of step 1 must be a list"),
        (f"{HEAD}steps: [{{check: {{path: [1]}}}}]", "path of step 1 must list states"),
        (f"{HEAD}steps: [{{check: {{profile: 1}}}}]", "profile of check of step 1 must be text"),
        (f"{HEAD}steps: [{{check: {{}}, expect: {{vaild: true}}}}]", "did you mean valid?"),
        (
            f"{HEAD}steps: [{{check: {{}}, at: 2026-01-02T00:00:00Z}}]",
            "at sets the time of a command; a check has none",
        ),
        (f"{HEAD}steps: [{{do: {{}}, at: later}}]", "at of step 1"),
        (f"{HEAD}expect: {{order: {{}}}}", '"order" is no key of expect of the scenario; did you mean orders?'),
        (f"{HEAD}expect: {{orders: [O1]}}", "orders of expect must be an object"),
        (f"{HEAD}expect: {{orders: {{O1: LIVE}}}}", 'order "O1" of expect must be an object'),
        (f"{HEAD}expect: {{orders: {{O1: {{cumQuantity: 1}}}}}}", "did you mean cumQty?"),
        (f"{HEAD}expect: {{events: {{O1: OrderCreated}}}}", "O1 of events of expect must be a list"),
        (f"{HEAD}expect: {{counts: {{order: 1}}}}", '"order" is no key of counts of expect; did you mean orders?'),
        (f"{HEAD}---\n{HEAD}", 'line 4: id "a" is used twice'),
        (f"{HEAD}id: b", 'line 3: key "id" stands twice'),
        ("id: &x a", "anchors"),
        ("id: !!python/name:os.system", "tag"),
    ],
)
def test_what_cannot_be_a_scenario_is_refused_by_name_and_place(text: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenarios(text, "here.yaml")
    assert str(caught.value).startswith("here.yaml")
    assert words in str(caught.value)


def test_errors_count_lines_from_where_the_text_stands_in_its_source() -> None:
    with pytest.raises(ScenarioError, match=r"^doc\.md, line 43: \"sate\""):
        parse_scenarios(f"{HEAD}steps: [{{do: {{}}, expect: {{sate: X}}}}]", "doc.md", line=41)
    with pytest.raises(ScenarioError, match=r"^doc\.md, line 42: no YAML"):
        parse_scenarios("id: a\n}", "doc.md", line=41)


def test_several_scenarios_stand_in_one_text() -> None:
    scenarios = parse_scenarios(f"---\n{HEAD}---\nid: 7\ntitle: t\n---\n", "here.yaml")
    assert [(scenario.id, scenario.line) for scenario in scenarios] == [("a", 2), ("7", 5)]


@pytest.mark.parametrize(
    ("step", "difference"),
    [
        ("do: {type: OrderAcceptCmd, orderId: O1}\n    expect: {state: FILLED}", ("state", "FILLED", "LIVE")),
        ("do: {type: OrderAcceptCmd, orderId: O1}\n    expect: {version: 4}", ("version", 4, 3)),
        ("do: {type: OrderAcceptCmd, orderId: O1}\n    expect: {errorCode: X}", ("errorCode", "X", None)),
        ("do: {type: OrderPlaceCmd, orderId: O1}\n    expect: {status: OK}", ("status", "OK", "FAILED")),
        (
            "do: {type: OrderPlaceCmd, orderId: O1}\n    expect: {errorCode: OMS-VAL-001}",
            ("errorCode", "OMS-VAL-001", "OMS-STATE-001"),
        ),
        (
            "do: {type: OrderPlaceCmd, orderId: O1}\n    expect: {error: {violations: [{ruleId: LIF-02}]}}",
            ("error.violations[0].ruleId", "LIF-02", "LIF-01"),
        ),
        (
            "do: {type: OrderAcceptCmd, orderId: O1}\n    expect: {events: [{type: OrderPlaced}]}",
            ("events[0].type", "OrderPlaced", "OrderAccepted"),
        ),
        ("query: {where: [symbol=ACME]}\n    expect: {count: 2}", ("count", 2, 1)),
        ("query: {where: [symbol=ACME]}\n    expect: {ids: [O2]}", ("ids[0]", "O2", "O1")),
        ("query: {where: [symbol=ACME]}\n    expect: {ids: []}", ("ids", [], ["O1"])),
        ("check: {from: LIVE, path: [FILLED]}\n    expect: {valid: false}", ("valid", False, True)),
        ("check: {from: LIVE, path: [NEW]}\n    expect: {failedTo: LIVE}", ("failedTo", "LIVE", "NEW")),
    ],
)
def test_a_step_that_goes_otherwise_shows_what_was_expected_and_what_came(
    step: str, difference: tuple[str, Any, Any]
) -> None:
    done = run(f"{GIVEN}steps:\n  - {step}\n")
    assert not done.passed
    assert told(done) == [("step 1", *difference)]
    assert done.differences[0].line == 6
    assert done.steps[1].differences == done.differences


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ("{orders: {O1: {state: LIVE}}}", ("order O1", "state", "LIVE", "UNACK")),
        ("{orders: {O1: {symbol: null}}}", ("order O1", "symbol", None, "ACME")),
        ("{orders: {O1: {price: 5}}}", ("order O1", "price", 5, None)),
        ("{orders: {O2: {state: LIVE}}}", ("order O2", "", {"state": "LIVE"}, None)),
        ("{events: {O1: [OrderCreated]}}", ("order O1", "events", ["OrderCreated"], ["OrderCreated", "OrderPlaced"])),
        ("{events: {O2: [OrderCreated]}}", ("order O2", "events", ["OrderCreated"], [])),
        ("{counts: {events: 3}}", ("counts", "events", 3, 2)),
    ],
)
def test_an_end_that_is_otherwise_is_shown(expect: str, difference: tuple[str, str, Any, Any]) -> None:
    done = run(f"{GIVEN}expect: {expect}")
    assert told(done) == [difference]
    assert done.differences[0].line == 5


def test_the_context_of_an_error_is_compared_as_it_is_named() -> None:
    step = "do: {type: OrderPlaceCmd, orderId: O1}"
    done = run(f"{GIVEN}steps: [{{{step}, expect: {{error: {{context: {{fromState: UNACK, fromstate: X}}}}}}}}]")
    assert told(done) == [("step 1", "error.context.fromstate", "X", None)]


@pytest.mark.parametrize(
    ("rest", "compared"),
    [
        ("", 0),
        ("steps: [{check: {from: LIVE}}]\nexpect: {orders: {}, events: {}}", 0),
        ("steps: [{check: {from: LIVE}, expect: {valid: true}}]", 1),
        ("expect: {orders: {O1: {state: UNACK, symbol: ACME}, O2: null}, events: {O2: []}, counts: {events: 2}}", 5),
    ],
)
def test_a_run_counts_what_it_compared(rest: str, compared: int) -> None:
    done = run(f"{GIVEN}{rest}")
    assert done.passed
    assert done.to_wire()["compared"] == compared


def test_what_should_not_exist_is_expected_as_null_or_as_an_empty_list() -> None:
    assert run(f'{GIVEN}expect: {{orders: {{O2: null, "null": null}}, events: {{O2: []}}}}').passed


def test_a_refused_step_says_why_beside_the_difference() -> None:
    done = run(f"{GIVEN}steps: [{{do: {{type: OrderPlaceCmd, orderId: O1}}, expect: {{status: OK, state: UNACK}}}}]")
    assert [found.note for found in done.differences] == ["order O1 is UNACK; OrderPlaceCmd needs NEW", None]


def test_a_refused_command_in_given_ends_the_scenario_there() -> None:
    done = run(
        f"{HEAD}given: [{{type: OrderAcceptCmd, orderId: O1}}, {CREATE}]\n"
        "steps: [{do: {type: OrderAcceptCmd, orderId: O1}}]\nexpect: {counts: {orders: 1}}"
    )
    assert told(done) == [("given 1", "status", "OK", "FAILED")]
    assert [step.place for step in done.steps] == ["given 1"]


def test_a_refused_step_without_expectation_is_no_difference_and_the_next_one_runs() -> None:
    done = run(
        f"{GIVEN}steps: [{{do: {{type: OrderCloseCmd, orderId: O1}}}}, "
        "{do: {type: OrderAcceptCmd, orderId: O1}, expect: {version: 3}}]"
    )
    assert done.passed


def test_a_repeated_command_writes_nothing_and_counts_nothing() -> None:
    done = run(
        f"{GIVEN}steps: [{{do: {CREATE}, expect: {{duplicate: true}}}}]\nexpect: {{counts: {{orders: 1, events: 2}}}}"
    )
    assert done.passed
    assert len(done.events) == 2


def test_the_clock_starts_where_it_is_set_and_moves_a_millisecond_per_command() -> None:
    done = run(
        f"{GIVEN}steps:\n  - do: {{type: OrderAcceptCmd, orderId: O1}}\n"
        "  - query: {}\n"
        "  - do: {type: OrderCancelCmd, orderId: O1}\n    at: 2026-05-01T12:00:00+02:00\n"
        "  - do: {type: OrderCancelAcceptCmd, orderId: O1}\n"
    )
    times = list(dict.fromkeys(event.recorded_at for event in done.events))
    noon = datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert times == [DEFAULT_CLOCK, DEFAULT_CLOCK + TICK, noon, noon + TICK]
    own = run(f"{GIVEN}clock: 2020-02-29T00:00:00Z\nexpect: {{orders: {{O1: {{createdAt: 2020-02-29T00:00:00Z}}}}}}")
    assert own.passed


def test_generated_ids_are_counted_per_prefix() -> None:
    create = CREATE.replace("orderId: O1, ", "")
    done = run(
        f"{HEAD}given: [{create}, {create.replace('C1', 'C2')}]\nexpect: {{orders: {{ORD-1: {{}}, ORD-2: {{}}}}}}"
    )
    assert done.passed
    assert [event.command_id for event in done.events] == ["CMD-1", "CMD-1", "CMD-2", "CMD-2"]
    assert {event.actor for event in done.events} == {"scenario"}


def test_the_settings_of_a_scenario_hold_in_it() -> None:
    assert run(f"{GIVEN}settings: {{routing: manual}}\nexpect: {{orders: {{O1: {{state: NEW}}}}}}").passed


def test_decimals_are_as_exact_unquoted_as_quoted() -> None:
    for quantity in ('"0.12345678"', "0.12345678", "100.50", "1"):
        text = GIVEN.replace('"100"', quantity)
        assert run(f"{text}expect: {{orders: {{O1: {{orderQty: {quantity}, leavesQty: {quantity}}}}}}}").passed


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("100", "100.00", True),
        (100, "100", True),
        ("1000", "1000.00000001", False),
        ("LIVE", "LIVE", True),
        ("LIVE", "live", False),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        ("true", True, False),
        (None, None, True),
        (None, "", False),
        (None, 0, False),
        ("", None, False),
        ([], None, False),
        ({}, None, False),
        ({}, {"a": 1}, True),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": None}, True),
        ({"a": {"b": 1}}, {"a": {"b": "1.0", "c": 2}}, True),
        ({"a": {"b": 1}}, {"a": 1}, False),
        ([1, {"a": 2}], ["1", {"a": 2, "b": 3}], True),
        ([1], [1, 2], False),
        ([1, 2], [2, 1], False),
        ("2026-01-02T09:30:00Z", "2026-01-02T09:30:00.000000Z", True),
        ("2026-01-02T10:30:00+01:00", "2026-01-02T09:30:00.000000Z", True),
        ("2026-01-02T09:30:00Z", "2026-01-02T09:30:00.001000Z", False),
        ("2026-01-02", "2026-01-02", True),
        ("9" * 70, "9" * 70, True),
        ("1" + "0" * 17, 10**17, True),
    ],
)
def test_values_are_compared_by_what_they_mean(expected: object, actual: object, same: bool) -> None:
    assert (list(compare(expected, actual, "step 1", 1, "field")) == []) is same


@pytest.mark.parametrize(
    ("expected", "same"),
    [
        ("10.7017", True),
        ("10.70167", True),
        ("10.70166667", True),
        ("10.701666670000", True),
        ("10.70166666", False),
        ("10.7016", False),
        ("10.702", False),
        ("10.70", False),
        ("10", False),
    ],
)
def test_an_average_is_rounded_half_up_to_the_digits_expected_and_at_least_four(expected: str, same: bool) -> None:
    assert (list(compare({"avgPx": expected}, {"avgPx": "10.70166667"}, "p", 1)) == []) is same
    assert list(compare({"price": "10.7017"}, {"price": "10.70166667"}, "p", 1)) != []


def test_half_is_rounded_up() -> None:
    assert list(compare({"avgPx": "1.0001"}, {"avgPx": "1.00005"}, "p", 1)) == []
    assert list(compare({"avgPx": "1.0000"}, {"avgPx": "1.00005"}, "p", 1)) != []


def test_a_scenario_runs_on_an_engine_with_its_own_clock_ids_and_orders() -> None:
    desk = Desk()
    desk.create(orderId="other")
    create = CREATE.replace("orderId: O1, ", "")
    done = run(f"{HEAD}given: [{create}]\nexpect: {{counts: {{orders: 1, events: 2, executions: 0}}}}", desk.engine)
    assert done.passed
    assert [order.order_id for order in done.orders] == ["ORD-1"]
    assert {event.actor for event in done.events} == {"S1"}
    assert desk.engine.counts()["orders"] == 2


def test_only_what_the_run_wrote_is_among_its_events() -> None:
    desk = Desk()
    order_id = desk.given("UNACK")
    done = run(f"{HEAD}steps: [{{do: {{type: OrderAcceptCmd, orderId: {order_id}}}}}]", desk.engine)
    assert [event.type for event in done.events] == ["OrderAccepted"]


def test_an_engine_with_other_settings_than_the_scenario_needs_is_refused() -> None:
    text = f"{GIVEN}settings: {{routing: manual}}"
    with pytest.raises(ScenarioError, match="needs the setting routing"):
        run(text, Desk().engine)
    assert run(text, Desk(routing="manual").engine).passed


ENVELOPES = st.lists(
    st.one_of(
        st.builds(
            lambda n, quantity, manual: {
                "type": "OrderCreateCmd",
                "order": {
                    "orderId": f"O{n}",
                    "clOrdId": f"C{n}",
                    "account": "A",
                    "symbol": "ACME",
                    "side": "BUY",
                    "ordType": "MARKET",
                    "orderQty": str(quantity),
                    **({"handlInst": "MANUAL"} if manual else {}),
                },
            },
            st.integers(1, 2),
            st.decimals("0.5", "5", places=1),
            st.booleans(),
        ),
        st.builds(
            lambda kind, n: {"type": kind, "orderId": f"O{n}"},
            st.sampled_from(
                [
                    "OrderPlaceCmd",
                    "OrderAcceptCmd",
                    "OrderCancelCmd",
                    "OrderCancelAcceptCmd",
                    "OrderCloseCmd",
                    "OrderExpireCmd",
                ]
            ),
            st.integers(1, 3),
        ),
        st.builds(
            lambda n, e, quantity: {
                "type": "ExecutionCreateCmd",
                "execution": {"orderId": f"O{n}", "execId": f"E{e}", "lastQty": str(quantity), "lastPx": "10.5"},
            },
            st.integers(1, 2),
            st.integers(1, 3),
            st.decimals("0.5", "5", places=1),
        ),
        st.builds(lambda e: {"type": "ExecutionBustCmd", "execId": f"E{e}"}, st.integers(1, 3)),
    ),
    max_size=12,
)


@given(ENVELOPES)
def test_a_run_does_exactly_what_executing_its_envelopes_does(envelopes: list[dict[str, Any]]) -> None:
    text = HEAD + "steps:\n" + "".join(f"  - do: {_flow(envelope)}\n" for envelope in envelopes) if envelopes else HEAD
    done = run(text)
    assert done.passed
    now = iter(DEFAULT_CLOCK + n * TICK for n in range(len(envelopes)))
    ids: dict[str, int] = {}

    def new_id(prefix: str) -> str:
        ids[prefix] = ids.get(prefix, 0) + 1
        return f"{prefix}-{ids[prefix]}"

    with Engine.open(clock=lambda: next(now), new_id=new_id, session_id="scenario") as engine:
        results = [engine.execute(envelope) for envelope in envelopes]
        assert [_timeless(step.result) for step in done.steps] == [_timeless(result) for result in results]
        assert list(done.events) == engine.events()
        orders = engine.query(sort="id", size=500).content
        assert list(done.orders) == orders


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(each)}" for name, each in value.items()) + "}"
    return f'"{value}"'


def _timeless(result: CommandResult | None) -> dict[str, Any]:
    assert result is not None
    wire = result.to_wire()
    return wire | {"tasks": [{**task, "durationMicros": 0} for task in wire["tasks"]]}


def test_the_public_records_of_a_run_are_plain_values() -> None:
    difference = Difference(place="step 1", line=3, field="avgPx", expected=Decimal(1), actual="2")
    step = StepRun(place="step 1", line=3, do={"type": "X"}, differences=(difference,))
    assert step.to_wire() == {
        "place": "step 1",
        "line": 3,
        "do": {"type": "X"},
        "differences": [{"place": "step 1", "line": 3, "field": "avgPx", "expected": "1", "actual": "2"}],
    }


@pytest.mark.parametrize("part", ["given", "steps"])
def test_more_than_ten_thousand_commands_are_refused_before_the_first_one(part: str) -> None:
    with pytest.raises(ScenarioError, match="has 10001 items; at most 10,000"):
        parse_scenarios(f"{HEAD}{part}: [{'{do: {}},' * 10_001}]", "here.yaml")
