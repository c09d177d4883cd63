"""Do pictures tell the truth? What they are made of is compared with events, orders and the lifecycle."""

from collections.abc import Iterator
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import Engine, Refused
from oms_engine.domain.lifecycle import CORRECTIONS, TRANSITIONS, Profile
from oms_engine.domain.vocabulary import State
from oms_mcp.pictures import Branch, states_of, states_of_order, timeline_of, tree_of, waterfall_of
from oms_mcp.pictures.labels import MOST, label, mermaid_label
from oms_mcp.pictures.waterfall import Kind
from tests.oms_engine.desk import Desk
from tests.oms_engine.test_flow import EVERY_EVENT
from tests.oms_mcp.drawable import create, do, fill


@pytest.fixture(scope="module")
def everything() -> Iterator[Engine]:
    with Engine.open() as engine, EVERY_EVENT.open("rb") as lines:
        engine.import_archive(lines)
        yield engine


def order_ids(engine: Engine) -> list[str]:
    return [order.order_id for order in engine.query(size=500).content]  # type: ignore[attr-defined] # of orders


def test_a_timeline_ends_where_the_order_stands(everything: Engine) -> None:
    seen = set()
    for order_id in order_ids(everything):
        order, told = everything.find(order_id), timeline_of(everything, order_id)
        last = told.moments[-1]
        assert [moment.version for moment in told.moments] == [*range(1, order.version + 1)]
        assert (last.state, last.cum_qty, last.leaves_qty) == (order.state, order.cum_qty, order.leaves_qty)
        assert [moment.state for moment in told.moments if moment.changed] == [
            passing.end for passing in _in_order(everything, order_id)
        ]
        seen |= {moment.event for moment in told.moments}
    assert len(seen) > 20


def _in_order(engine: Engine, order_id: str) -> Iterator[object]:
    """The states that an order went through, one by one, as `states_of_order` counts them version by version."""
    known: dict[tuple[State | None, State], int] = {}
    for version in range(1, engine.find(order_id).version + 1):
        with engine.at(f"v{version}", order_id=order_id) as past:
            for passing in states_of_order(past, order_id).passings:
                if passing.times > known.get((passing.start, passing.end), 0):
                    known[passing.start, passing.end] = passing.times
                    yield passing


def test_a_timeline_of_a_tree_tells_all_its_orders_in_the_order_of_the_store(engine: Engine) -> None:
    told = timeline_of(engine, "B", whole_tree=True)
    assert set(told.orders) == {"P", "A", "A1", "B"}
    assert told.orders[0] == "B"
    positions = [moment.position for moment in told.moments]
    assert positions == sorted(positions)
    assert len(positions) == sum(engine.find(name).version for name in told.orders)


def test_a_long_timeline_keeps_its_end_and_counts_what_it_leaves_out(engine: Engine) -> None:
    whole, short = timeline_of(engine, "O1"), timeline_of(engine, "O1", most=3)
    assert short.moments == whole.moments[-3:]
    assert short.left_out == len(whole.moments) - 3
    family = timeline_of(engine, "B", whole_tree=True, most=5)
    assert family.moments == timeline_of(engine, "B", whole_tree=True).moments[-5:]


def test_a_picture_of_the_past_shows_the_past(engine: Engine) -> None:
    with engine.at("v4", order_id="O1") as then:
        assert [moment.version for moment in timeline_of(then, "O1").moments] == [1, 2, 3, 4]
        assert waterfall_of(then, "O1").leaves_qty == 700
        assert states_of(then).orders == 1
        with pytest.raises(Refused, match="did not exist yet"):
            tree_of(then, "P")


def test_the_steps_of_a_waterfall_add_up_to_what_is_open(everything: Engine) -> None:
    kinds = set()
    for order_id in order_ids(everything):
        order, told = everything.find(order_id), waterfall_of(everything, order_id, most_steps=1_000)
        assert sum(step.change for step in told.steps) == (order.leaves_qty or 0)
        by_fills = sum(step.change for step in told.steps if step.kind in _BY_FILLS)
        assert -by_fills == order.cum_qty
        assert told.ended + told.cum_qty + (told.leaves_qty or 0) == (order.order_qty or 0)
        assert all(step.open_after >= 0 for step in told.steps)
        kinds |= {step.kind for step in told.steps}
    assert kinds >= {Kind.ORDERED, Kind.FILLED, Kind.TAKEN_BACK, Kind.CANCELLED, Kind.CORRECTED, Kind.RECEIVED}


_BY_FILLS = {Kind.FILLED, Kind.RECEIVED, Kind.CORRECTED, Kind.TAKEN_BACK}


def test_a_bust_after_the_end_gives_nothing_back_to_the_market(engine: Engine) -> None:
    create(engine, "Z1", "100")
    do(engine, "OrderAcceptCmd", orderId="Z1")
    fill(engine, "Z1", "E1", "40", "100")
    do(engine, "OrderCancelCmd", orderId="Z1")
    do(engine, "OrderCancelAcceptCmd", orderId="Z1")
    do(engine, "ExecutionBustCmd", orderId="Z1", execId="E1")
    told = waterfall_of(engine, "Z1")
    assert [(step.kind, step.change) for step in told.steps[-2:]] == [(Kind.TAKEN_BACK, 40), (Kind.OTHER, -40)]
    assert (told.ended, told.taken_back, told.leaves_qty) == (100, 40, 0)


def test_too_many_steps_become_one_in_the_middle(desk: Desk) -> None:
    order_id = desk.given("LIVE", orderQty="1000")
    for number in range(60):
        desk.fill(order_id, "10", exec_id=f"E{number}")
    told = waterfall_of(desk.engine, order_id)
    assert len(told.steps) == 24
    (summary,) = (step for step in told.steps if step.kind is Kind.SUMMARY)
    assert summary.name == "38 more steps"
    assert sum(step.change for step in told.steps) == told.leaves_qty == 400


@pytest.mark.parametrize("profile", get_args(Profile))
def test_the_states_have_every_way_of_their_profile(engine: Engine, profile: Profile) -> None:
    told = states_of(engine, profile)
    normal = [(each.start, each.end) for each in told.passings if each.declared and not each.correction]
    known = [(start, end) for start, targets in TRANSITIONS[profile].items() for end in targets]
    assert sorted(map(str, normal)) == sorted(map(str, [(None, State.NEW), *known]))
    corrections = [(each.start, each.end) for each in told.passings if each.correction]
    assert corrections == [(start, end) for start, targets in CORRECTIONS.items() for end in targets]


def test_a_way_that_a_profile_does_not_have_is_told_apart(desk: Desk) -> None:
    desk.ok("SettingsChangeCmd", changes={"lifecycle.profile": "desk"})
    order_id = desk.given("UNACK")
    desk.fill(order_id, "100")
    strange = [each for each in states_of(desk.engine, "standard").passings if not each.declared]
    done = [each for each in states_of(desk.engine).passings if each.times]
    assert [(each.start, each.end, each.times) for each in strange] == [
        (each.start, each.end, each.times) for each in done if each.start is State.UNACK and each.end is not State.LIVE
    ]


def test_the_states_of_one_order_are_its_own(engine: Engine) -> None:
    told = states_of_order(engine, "O1")
    assert told.orders == 1
    assert [each.state for each in told.standing if each.orders] == [State.CXL]
    assert [each.end for each in told.passings if each.times] == [State.NEW, State.UNACK, State.LIVE, State.CXL]


def test_an_unknown_order_and_an_unknown_profile_are_refused(engine: Engine) -> None:
    for gather in (timeline_of, tree_of, waterfall_of, states_of_order):
        with pytest.raises(Refused, match='"O9" does not exist'):
            gather(engine, "O9")
    with pytest.raises(Refused, match="profile"):
        states_of(engine, "other")


def _all(branch: Branch) -> Iterator[Branch]:
    yield branch
    for child in branch.children:
        yield from _all(child)


def test_a_tree_has_every_order_below_its_parent(engine: Engine) -> None:
    told = tree_of(engine, "A1")
    assert [(each.order_id, each.depth) for each in _all(told.root)] == [("P", 0), ("A", 1), ("A1", 2), ("B", 1)]
    assert told.orders == 4


def test_a_broad_tree_is_cut_and_what_is_left_out_is_counted(desk: Desk) -> None:
    root = desk.given("NEW", orderQty="1000", orderId="W", handlInst="MANUAL")
    for number in range(30):
        desk.given("LIVE" if number % 2 else "NEW", orderId=f"W{number:02}", parentOrderId=root, orderQty="10")
    told = tree_of(desk.engine, "W29", most_children=5)
    assert [child.order_id for child in told.root.children] == ["W00", "W01", "W02", "W03", "W29"]
    assert told.root.left_out == 25
    assert sum(told.root.left_out_states.values()) == 25
    few = tree_of(desk.engine, "W29", most_orders=3)
    assert [each.order_id for each in _all(few.root)] == ["W", "W00", "W29"]


def test_a_group_comes_with_its_members_and_a_member_with_its_group(engine: Engine) -> None:
    assert [member.order_id for member in tree_of(engine, "G").members] == ["M1", "M2"]
    group = tree_of(engine, "M1").group
    assert group is not None
    assert group.order_id == "G"
    assert tree_of(engine, "G", most_children=1).members_left_out == 1


def test_pictures_are_json(engine: Engine) -> None:
    wire = waterfall_of(engine, "O1").to_wire()
    assert wire["steps"][1] == {"kind": "filled", "name": "E1 300 @ 100.5", "change": "-300", "openAfter": "700"}
    assert Decimal(wire["peak"]) == 1000
    assert tree_of(engine, "A1").to_wire()["root"]["children"][0]["children"][0]["orderId"] == "A1"


@given(st.text(max_size=200))
def test_a_label_is_one_line_that_can_be_seen(text: str) -> None:
    shown = label(text)
    assert shown.isprintable() or not shown
    assert len(shown) <= MOST
    assert shown.isascii() or not text.isascii()


@given(st.text(max_size=80))
def test_a_label_of_mermaid_has_nothing_that_mermaid_reads(text: str) -> None:
    assert not {*mermaid_label(text)} & {*"\"'`<>[]{}|:%\\&\n^$"}
