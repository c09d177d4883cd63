"""What becomes of logs that went wrong? Each of tests/data/fix has its account, and others are damaged here."""

import io
import operator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import Engine
from oms_engine.simulation.fix.writing import write_log
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.session import Session
from oms_engine.simulation.market.world import World
from tests.oms_engine.simulation.fix.logs import Log, assert_it_adds_up, kinds, message, replayed, told

FOLDER = Path(__file__).parents[3] / "data" / "fix"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "expected.yaml").read_text(encoding="utf-8"))


def test_every_log_has_its_expected_account() -> None:
    assert sorted(EXPECTED) == sorted(file.name for file in FOLDER.iterdir() if file.suffix != ".yaml")


@pytest.mark.parametrize("name", EXPECTED)
def test_an_ugly_log_has_the_account_that_is_expected(name: str) -> None:
    account, orders = replayed((FOLDER / name).read_bytes())
    assert_it_adds_up(account)
    assert account.unexplained == 0
    found = {
        "verdicts": {verdict.lower(): count for verdict, count in account.verdicts.items() if count},
        "notReplayed": kinds(account.not_replayed),
        "unreadable": kinds(account.unreadable),
        "findings": kinds(account.findings),
        "unknownTags": account.unknown_tags,
        "orders": [f"{order.cl_ord_id} {order.state} {order.cum_qty} {order.leaves_qty}" for order in orders],
        "differences": [list(difference) for difference in told(account)],
    }
    expected = {key: value for key, value in EXPECTED[name].items() if key != "what"}
    assert {key: value for key, value in found.items() if value} == expected


@cache
def _day() -> bytes:
    """The log of a small day in a market."""
    world, log = World(), io.BytesIO()
    with Engine.open(clock=world.clock, new_id=world.new_id) as engine:
        for _ in Session(MarketPlan(orders=8, seed=3, mix="institutional", faults="many"), 1, world, engine.run).run():
            pass
        write_log(engine, log)
    return log.getvalue()


EXTREME_TIMES = [
    "99991231-23:59:59.999999", "99991231-23:59:60", "99991231-00:00:00", "00010101-00:00:00", "00000101-00:00:00",
    "20260230-09:00:00", "20260105-24:00:00", "20260105-09:00:00.123456789012", "20260105", "x", "",
]  # fmt: skip
DAMAGE = st.tuples(st.sampled_from(["cut", "repeat", "write", "swap"]), st.integers(0, 10**6), st.binary(max_size=30))


def _damaged(data: bytes, how: str, where: int, what: bytes) -> bytes:
    at = where % (len(data) + 1)
    lines = data.split(b"\n")
    line = where % len(lines)
    match how:
        case "cut":
            return data[:at] + data[at + len(what) :]
        case "repeat":
            return b"\n".join([*lines[:line], lines[line], *lines[line:]])
        case "swap":
            return b"\n".join([*lines[line:], *lines[:line]])
        case _:
            return data[:at] + what + data[at + len(what) :]


@given(st.lists(DAMAGE, min_size=1, max_size=4), st.booleans())
def test_a_log_that_is_damaged_is_accounted_for_to_the_last_byte(
    damage: list[tuple[str, int, bytes]], garbled: bool
) -> None:
    data = _day()
    for how, where, what in damage:
        data = _damaged(data, how, where, what)
    account, _ = replayed(data, garbled=garbled)
    assert account.size == len(data)
    assert_it_adds_up(account)


@given(st.lists(st.sampled_from(["8", "9", "D", "F", "G", "4", "A"]) | st.text(max_size=3), max_size=6), st.data())
def test_messages_of_any_values_are_accounted_for(types: list[str], data: st.DataObject) -> None:
    tags = st.sampled_from(
        [1, 6, 11, 14, 17, 19, 31, 32, 34, 36, 37, 38, 39, 40, 41, 44, 54, 55, 59, 99, 102, 103, 150, 151, 434]
    )
    moments = st.sampled_from([52, 60, 126])
    values = st.sampled_from(
        ["C1", "1", "0", "F", "4", "5", "2", "G", "H", "100", "10.5", "-1", "NaN", "1e9", "x" * 70, "9" * 40, ""]
    )
    times = st.none() | st.sampled_from(EXTREME_TIMES)
    bodies = st.builds(operator.or_, st.dictionaries(tags, values), st.dictionaries(moments, times))
    made = [message(kind, number, data.draw(bodies)) for number, kind in enumerate(types, 1)]
    account, _ = replayed(b"".join(made))
    assert_it_adds_up(account)


@pytest.mark.parametrize("time", EXTREME_TIMES)
@pytest.mark.parametrize("tag", ["t52", "t60", "t126"])
def test_an_extreme_time_keeps_no_log_from_being_replayed(tag: str, time: str) -> None:
    terms = {"t59": 6, "t126": "20260301-16:00:00"}
    log = Log().live(**{**terms, tag: time}).live("C2", t52=None).fill(400, "10.5", 400, 600, "10.5", "C2", t52=None)
    account, _ = replayed(log.data)
    assert account.pieces == 5
    assert_it_adds_up(account)


def test_a_log_whose_only_time_is_the_last_one_goes_on() -> None:
    log = Log().new(t52="99991231-23:59:59.999999").report("0", "0", t52=None).new("C2", t52=None)
    account, orders = replayed(log.data)
    assert (account.differences, [order.state for order in orders]) == ((), ["LIVE", "UNACK"])
    assert_it_adds_up(account)
