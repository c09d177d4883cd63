"""Is whoever writes a scenario wrongly told the line, the key and the way out?"""

import pytest

from oms_engine import ScenarioError
from oms_engine.simulation.flow import parse_flow
from oms_engine.simulation.scenario import parse_scenarios

HEAD = "id: a\ntitle: t\n"
ORDER = "given:\n  - type: OrderCreateCmd\n    order:\n      orderId: O1\n"
DO = "steps:\n  - do: {type: OrderAcceptCmd, orderId: O1}\n    expect:\n      "
QUERY = "steps:\n  - query:\n      "
CHECK = "steps:\n  - check:\n      "
END = "expect:\n  "

FILES = [
    ("id: a\n\ntitel: t\n", 3, '"titel"', "did you mean title?"),
    (f"{HEAD}given: []\nstepz: []\n", 4, '"stepz"', "did you mean steps?"),
    (f"{HEAD}steps:\n  do: {{}}\n", 3, "steps", "begin each item with -"),
    ("title: t\n", 1, "no id", "add one such as id: N1"),
    ("- id: a\n", 1, "a scenario", "begins with id and title"),
    (f"{HEAD}given:\n  - do: {{type: OrderAcceptCmd}}\n", 4, "given 1 has do", "move it to steps"),
    (f"{HEAD}given:\n  - {{type: OrderAcceptCommand}}\n", 4, '"OrderAcceptCommand"', "did you mean OrderAcceptCmd?"),
    (
        f"{HEAD}steps:\n  - do:\n      type: orderAcceptCmd\n    expect: {{status: OK}}\n",
        5,
        "type",
        "did you mean OrderAcceptCmd?",
    ),
    (f"{HEAD}{ORDER}      sybmol: ACME\n", 7, '"sybmol"', "did you mean symbol?"),
    (f"{HEAD}{ORDER}      side: BUYY\n", 7, "side", "did you mean BUY?"),
    (f"{HEAD}{ORDER}      side: buy\n", 7, "side", "did you mean BUY?"),
    (f"{HEAD}{ORDER}      orderQty: '1,000'\n", 7, "orderQty", "write digits with at most one point"),
    (f"{HEAD}given:\n  - {{type: ExecutionBustCmd, reson: x}}\n", 4, '"reson"', "did you mean reason?"),
    (f"{HEAD}given:\n  - {{type: OrderAcceptCmd, expect: {{}}}}\n", 4, '"expect"', "valid: version"),
    (f"{HEAD}{DO}state: LIV\n", 6, "state", "did you mean LIVE?"),
    (f"{HEAD}{DO}status: ok\n", 6, "status", "did you mean OK?"),
    (f"{HEAD}{DO}errorCode: OMS-STAT-001\n", 6, "errorCode", "did you mean OMS-STATE-001?"),
    (f"{HEAD}{DO}error: {{errorCode: OMS-STAT-001}}\n", 6, "errorCode in error", "did you mean OMS-STATE-001?"),
    (f"{HEAD}{DO}error: {{violations: [{{ruleId: LIF-91}}]}}\n", 6, "ruleId", "did you mean LIF-01?"),
    (f"{HEAD}{DO}version: two\n", 6, "version", "write digits"),
    (f"{HEAD}{DO}duplicate: 'yes'\n", 6, "duplicate", "neither true nor false"),
    (f"{HEAD}{DO}events: [{{typ: OrderAccepted}}]\n", 6, '"typ"', "did you mean type?"),
    (f"{HEAD}{END}events:\n    O1: [OrderFiled]\n", 5, '"OrderFiled"', "did you mean OrderFilled?"),
    (f"{HEAD}{END}events:\n    O1: OrderFilled\n", 5, "O1", "begin each item with -"),
    (f"{HEAD}{END}orders:\n    O1:\n      cumQuantity: 5\n", 6, '"cumQuantity"', "did you mean cumQty?"),
    (f"{HEAD}{END}orders:\n    O1:\n      cumQty: five\n", 6, "cumQty", "write digits"),
    (f"{HEAD}{END}orders:\n    O1:\n      state: FILED\n", 6, "state", "did you mean FILLED?"),
    (f"{HEAD}{END}O1: {{state: LIVE}}\n", 4, '"O1"', "valid: orders, events, counts"),
    (f"{HEAD}{END}counts:\n    orders: one\n", 5, "orders", "must be a whole number"),
    (f"{HEAD}{END}counts:\n    order: 1\n", 5, '"order"', "did you mean orders?"),
    (f"{HEAD}settings:\n  maxOrderQuantity: 5\n", 4, '"maxOrderQuantity"', "did you mean maxOrderQty?"),
    (f"{HEAD}settings:\n  tickSize: '1'\n  routing: manuel\n", 5, "routing", "use one of"),
    (f"{HEAD}settings:\n  risk:\n    maxNotional: 5\n", 4, '"risk"', "such as risk.maxOrderQty"),
    (f"{HEAD}clock: 2026-01-02\n", 3, "clock", "add 'Z'"),
    (f"{HEAD}steps:\n  - do: {{}}\n    at: 10:00\n", 5, "at of step 1", "write one such as '2026-01-02T09:30:00Z'"),
    (f"{HEAD}steps:\n  - do: {{type: OrderCreatCmd}}\n", 4, "type of step 1", "did you mean OrderCreateCmd?"),
    (f"{HEAD}{QUERY}entity: orders\n", 5, "entity", "did you mean order?"),
    (f"{HEAD}{QUERY}where: state=LIVE\n", 5, "where", "begin each item with -"),
    (f"{HEAD}{QUERY}where: [stat=LIVE]\n", 5, '"stat"', "did you mean state?"),
    (f"{HEAD}{QUERY}where: [orderQty__gtt=5]\n", 5, "orderQty", "use one of eq"),
    (f"{HEAD}{QUERY}sort: oderId\n", 5, '"oderId"', "did you mean orderId?"),
    (f"{HEAD}{QUERY}size: many\n", 5, "size", "whole number"),
    (f"{HEAD}steps:\n  - query: {{}}\n    expect: {{rows: [{{stat: LIVE}}]}}\n", 5, '"stat"', "did you mean state?"),
    (f"{HEAD}steps:\n  - query: {{}}\n    expect: {{count: two}}\n", 5, "count", "write digits"),
    (f"{HEAD}{CHECK}from: LIFE\n", 5, '"LIFE"', "did you mean LIVE?"),
    (f"{HEAD}{CHECK}path: [FILED]\n", 5, '"FILED"', "did you mean FILLED?"),
    (f"{HEAD}{CHECK}profile: strict\n", 5, '"strict"', "valid: standard, matrix, desk"),
    (f"{HEAD}steps:\n  - check: {{}}\n    expect: {{valid: 'yes'}}\n", 5, "valid", "write one of the two"),
    ("id: a\ntitle: t\nsteps:\n\t- do: {}\n", 4, "no YAML", "blanks instead of tabs"),
    ("id: a\ntitle: a fill: then a bust\n", 2, "no YAML", "put a text with a colon in quotes"),
    ("id: a\nsteps:\n  - do: {type: X\n  - do: {}\n", 4, "begins on line 3", "close the { with a }"),
    ("id: a\ntitle: [t\n", 3, "begins on line 2", "close the [ with a ]"),
    ("id: a\ntitle: 't\n", 3, "begins on line 2", "close the quotes"),
]


@pytest.mark.parametrize(("text", "line", "key", "remedy"), FILES)
def test_a_file_that_is_written_wrongly_is_told_line_key_and_remedy(
    text: str, line: int, key: str, remedy: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenarios(text, "bad.yaml")
    told = str(caught.value)
    assert told.startswith(f"bad.yaml, line {line}: ")
    assert key in told
    assert remedy in told


def test_a_command_that_is_to_be_refused_may_be_unreadable() -> None:
    text = f"{HEAD}steps:\n  - do: {{type: OrderFlyCmd}}\n    expect: {{status: FAILED, errorCode: OMS-VAL-004}}\n"
    assert parse_scenarios(text, "here.yaml")[0].steps[0].do == {"type": "OrderFlyCmd"}


def test_codes_and_rules_of_a_pack_of_ones_own_may_be_expected() -> None:
    text = f"{HEAD}{DO}errorCode: MY-1\n      error: {{violations: [{{ruleId: MINE-01}}]}}\n"
    assert parse_scenarios(text, "here.yaml")[0].steps[0].expect["errorCode"] == "MY-1"


LINES = [
    ("{type: x}", 1, "no JSON"),
    ('\n{"type": "OrderAcceptCmd", "type": "b"}', 2, 'key "type" stands twice'),
    ("[1]", 1, "is no JSON object"),
    ("{}", 1, "says nothing to do; write an envelope"),
    ('{"cmd": {}}', 1, 'a line with "cmd" says nothing to do'),
    ('{"command": {"type": "OrderAcceptCmd"}, "results": {}}', 1, "did you mean result?"),
    ('{"command": {"type": "OrderAcptCmd"}, "result": {"status": "OK"}}', 1, "did you mean OrderAcceptCmd?"),
    ('{"command": {"type": "OrderAcceptCmd"}, "result": "OK"}', 1, "result must be an object"),
    ('{"command": {"type": "OrderAcceptCmd"}, "result": {"dryRun": true}}', 1, "the result has dryRun, so nothing was"),
    ('{"command": 5, "result": {}}', 1, "do of step 1 must be an object"),
    ('{"do": {"type": "OrderAcceptCmd"}, "expct": {}}', 1, "did you mean expect?"),
    ('{"do": {}, "expect": {"state": "LIV"}}', 1, "did you mean LIVE?"),
    ('{"type": "OrderAcceptCmd"}\n{"scenario": {}}', 2, "scenario stands on the first line of a flow"),
    ('{"end": {}}\n{"type": "OrderAcceptCmd"}', 1, "end stands on the last line of a flow"),
    ('{"scenario": {"id": "a", "titel": "b"}}', 1, "did you mean title?"),
    ('{"scenario": {"title": "b"}}', 1, "has no id"),
    ('{"scenario": 5}', 1, "scenario must be an object"),
    ('{"end": {"order": {}}}', 1, "did you mean orders?"),
    ('{"do": {"a": NaN}}', 1, "NaN is no number of JSON"),
    ('{"do": {"a": ' + "[" * 30 + "]" * 30 + "}}", 1, "nested deeper than 20 levels"),
    ('{"do": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}", 1, "nested"),
    ('{"do": {"a": "' + "x" * 1_000_001 + '"}}', 1, "longer than 1,000,000 characters"),
]


@pytest.mark.parametrize(("text", "line", "words"), LINES, ids=range(len(LINES)))
def test_a_line_of_a_flow_that_is_written_wrongly_is_told(text: str, line: int, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_flow(text, "bad.jsonl")
    assert str(caught.value).startswith(f"bad.jsonl, line {line}")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("\n \n", "there is no line in it"), ('{"type": "OrderAcceptCmd"}\n' * 10_001, "at most 10,000 are played")],
    ids=["empty", "long"],
)
def test_a_flow_without_lines_or_with_too_many_is_refused(text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        parse_flow(text, "bad.jsonl")
