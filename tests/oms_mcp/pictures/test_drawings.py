"""How do pictures look? In a terminal of 80 and of 200 columns, in ASCII, as SVG and as Mermaid."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from oms_engine import Engine
from oms_engine.domain.lifecycle import Profile
from oms_engine.domain.vocabulary import State
from oms_mcp.pictures import Picture, states_of, states_of_order, timeline_of, tree_of, waterfall_of
from oms_mcp.pictures.mermaid import mermaid
from oms_mcp.pictures.signs import ROLE_LETTERS, SIGNS
from oms_mcp.pictures.svg import svg
from oms_mcp.printing.pictures import ASCII, UNICODE, as_text
from tests.docs.mermaid import read
from tests.oms_engine.desk import Desk
from tests.oms_mcp.drawable import coin, create, do
from tests.oms_mcp.snapshot import same

SNAPSHOTS = Path(__file__).parent / "snapshots"
SVG = "{http://www.w3.org/2000/svg}"

PICTURES: dict[str, Callable[[Engine], Picture]] = {
    "timeline": lambda engine: timeline_of(engine, "O1"),
    "timeline-of-a-tree": lambda engine: timeline_of(engine, "B", whole_tree=True, most=12),
    "tree": lambda engine: tree_of(engine, "A1"),
    "group": lambda engine: tree_of(engine, "G"),
    "states": states_of,
    "states-desk": lambda engine: states_of(engine, "desk", most_events=30),
    "states-of-an-order": lambda engine: states_of_order(engine, "O1"),
    "waterfall": lambda engine: waterfall_of(engine, "O1"),
    "waterfall-of-a-parent": lambda engine: waterfall_of(engine, "P"),
}
COINS: dict[str, Callable[[Engine], Picture]] = {
    "coins-timeline": lambda engine: timeline_of(engine, coin("slice")),
    "coins-timeline-of-a-tree": lambda engine: timeline_of(engine, coin("slice"), whole_tree=True, most=12),
    "coins-tree": lambda engine: tree_of(engine, coin("slice")),
    "coins-waterfall": lambda engine: waterfall_of(engine, coin("slice")),
}
EVERY = PICTURES | COINS
"""Pictures of short ids and small numbers, and of ids and numbers as long as the engine makes them."""


@pytest.fixture
def store(name: str, engine: Engine, coins: Engine) -> Engine:
    """The store that a picture is drawn of."""
    return coins if name in COINS else engine


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("room", [80, 200])
def test_a_picture_looks_in_a_terminal_as_it_was_looked_at(store: Engine, name: str, room: int) -> None:
    text = as_text(EVERY[name](store), room)
    assert max(map(len, text.splitlines())) <= room
    same(SNAPSHOTS, f"{name}-{room}", text)


@pytest.mark.parametrize("name", EVERY)
def test_a_terminal_without_unicode_gets_ascii(store: Engine, name: str) -> None:
    text = as_text(EVERY[name](store), 80, ASCII)
    assert text.isascii()
    same(SNAPSHOTS, f"{name}-ascii", text)


@pytest.mark.parametrize("name", EVERY)
def test_a_picture_is_an_svg_that_says_what_it_shows(store: Engine, name: str) -> None:
    text = svg(EVERY[name](store))
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert text.isascii()
    assert root.tag == f"{SVG}svg"
    assert root.attrib["role"] == "img"
    named = {element.get("id"): element.text for element in root if element.tag in {f"{SVG}title", f"{SVG}desc"}}
    assert all(named[part] for part in root.attrib["aria-labelledby"].split())
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"href|url\((?!#)|<script|@import|<image", text), "an SVG needs nothing else"
    same(SNAPSHOTS, f"{name}-svg", text)


@pytest.mark.parametrize("name", EVERY)
def test_texts_of_an_svg_lie_inside_it_and_not_on_each_other(store: Engine, name: str) -> None:
    root = ET.fromstring(svg(EVERY[name](store)))  # noqa: S314 - our own text
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [*_boxes(root)]
    assert len(boxes) > 5
    for number, (text, left, right, y) in enumerate(boxes):
        assert 0 <= left <= right <= width, text
        assert 10 <= y <= height, text
        for other, other_left, other_right, other_y in boxes[number + 1 :]:
            assert abs(y - other_y) >= 11 or right <= other_left or other_right <= left, (text, other)


NUMBERS = ("1234567.12345678", "1000000.00000008", "999999.12345678", "123456.24691356", "876542.87654322")


@pytest.mark.parametrize("name", COINS)
@pytest.mark.parametrize("room", range(80, 240, 10))
def test_no_long_number_breaks_and_no_line_is_too_long_in_any_terminal(coins: Engine, name: str, room: int) -> None:
    picture = COINS[name](coins)
    text, whole = as_text(picture, room), as_text(picture, 1_000)
    assert max(map(len, text.splitlines())) <= room
    told = {number for number in NUMBERS if number in whole}
    assert len(told) > 1
    assert not [number for number in told if number not in text]
    numbers = re.compile(r"[0-9]+\.[0-9]+")
    assert {*numbers.findall(text)} == {*numbers.findall(whole)}, "a part of a number stands alone"


@pytest.mark.parametrize("room", [80, 120, 200])
def test_an_id_of_a_tree_is_whole_where_one_would_copy_it(coins: Engine, room: int) -> None:
    text = as_text(tree_of(coins, coin("slice")), room)
    assert all(coin(level) in text for level in ("root", "desk", "slice"))


def test_one_order_is_not_orders(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    for picture in (tree_of(desk.engine, order_id), states_of(desk.engine)):
        assert "1 order" in svg(picture)
        assert "1 orders" not in svg(picture)


_LETTER = 7.83
"""Pixels of a letter in the widest font that a page may choose."""


def _boxes(root: ET.Element) -> Iterator[tuple[str, float, float, float]]:
    """Each text with where it begins, where it ends, and on which height it stands."""
    for element in root.iter(f"{SVG}text"):
        text, style = element.text or "", element.get("class", "")
        length = len(text) * _LETTER * (1.16 if "title" in style else 1)
        x = float(element.attrib["x"])
        left = x - length if "end" in style.split() else x - length / 2 if "middle" in style else x
        yield text, left, left + length, float(element.attrib["y"])


def test_the_states_as_mermaid_are_the_states(engine: Engine) -> None:
    told = states_of(engine)
    picture = read(mermaid(told))
    assert picture.nodes == {each.state: f"{each.state} {each.orders}" for each in told.standing}
    drawn = {(arrow.start, arrow.end): arrow.label for arrow in picture.arrows if arrow.end != "[*]"}
    assert drawn == {
        (str(each.start or "[*]"), str(each.end)): f"{each.times}{' correction' if each.correction else ''}"
        for each in told.passings
    }


def test_a_tree_as_mermaid_has_every_order_and_every_line(engine: Engine) -> None:
    picture = read(mermaid(tree_of(engine, "A1")))
    names = {node: text.split()[0] for node, text in picture.nodes.items()}
    assert [*names.values()] == ["P", "A", "A1", "B"]
    lines = {(names[arrow.start], names[arrow.end]) for arrow in picture.arrows}
    assert lines == {("P", "A"), ("A", "A1"), ("P", "B")}
    group = read(mermaid(tree_of(engine, "G")))
    assert [arrow.dotted for arrow in group.arrows] == [True, True]


def test_a_waterfall_as_mermaid_goes_step_by_step(engine: Engine) -> None:
    told = waterfall_of(engine, "O1")
    picture = read(mermaid(told))
    assert len(picture.nodes) == len(told.steps) + 1
    assert len(picture.arrows) == len(told.steps)
    assert picture.nodes["left"] == "open 0<br/>executed 200"


def test_a_timeline_as_mermaid_has_a_period_for_each_event(engine: Engine) -> None:
    lines = mermaid(timeline_of(engine, "O1")).splitlines()
    assert lines[0] == "timeline"
    assert lines[2].strip() == "section 2026-01-02"
    periods = [line.split(" : ") for line in lines[3:]]
    assert len(periods) == engine.find("O1").version
    assert all(len(parts) >= 4 and ":" not in "".join(parts) for parts in periods)


STRANGE = 'a"b<script>alert(1)</script>`c` #1 {d} [e] | ; %% & \x1b[31m \u202e end'


def test_strange_texts_stay_texts_everywhere() -> None:
    with Engine.open() as engine:
        create(engine, "X", "100", symbol=STRANGE[:20], exDestination=STRANGE)
        do(engine, "OrderAcceptCmd", orderId="X", actor=STRANGE[:45])
        assert engine.find("X").ex_destination == STRANGE
        for picture in (timeline_of(engine, "X"), tree_of(engine, "X"), waterfall_of(engine, "X")):
            root = ET.fromstring(svg(picture))  # noqa: S314 - our own text
            assert not [element for element in root.iter() if element.tag.endswith("script")]
            assert "\x1b" not in svg(picture) + mermaid(picture) + as_text(picture, 80)
            assert "<script" not in mermaid(picture)
            assert "\u202e" not in as_text(picture, 200)
        read(mermaid(tree_of(engine, "X")))


def test_every_state_has_a_sign_of_its_own() -> None:
    for signs in ([sign.symbol for sign in SIGNS.values()], [sign.letter for sign in SIGNS.values()]):
        assert len({*signs}) == len(State)
        assert all(len(sign) == 1 for sign in signs)
    assert all(sign.letter.isascii() for sign in SIGNS.values())
    assert len({*ROLE_LETTERS.values()}) == len(ROLE_LETTERS)


def test_colours_of_states_can_be_read_on_light_and_on_dark_pages() -> None:
    """Contrast of 4.5 to 1, as WCAG 2 asks for texts."""
    for state, sign in SIGNS.items():
        assert _contrast(sign.light, "#ffffff") >= 4.5, state
        assert _contrast(sign.dark, "#0d1117") >= 4.5, state


def _contrast(one: str, other: str) -> float:
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_tree_of_32_levels_fits_into_80_columns(desk: Desk) -> None:
    parent = ""
    for depth in range(33):
        more = {"parentOrderId": parent} if parent else {}
        parent = desk.given("NEW", orderId=f"D{depth}", orderQty="100000", handlInst="MANUAL", **more)
    picture = tree_of(desk.engine, "D32")
    for room in (80, 200):
        text = as_text(picture, room)
        assert max(map(len, text.splitlines())) <= room
        assert [line.split("D", 1)[1].split()[0] for line in text.splitlines()[1:34]] == [str(n) for n in range(33)]
        same(SNAPSHOTS, f"deep-tree-{room}", text)


def test_a_tree_of_32_levels_of_long_ids_fits_into_80_columns_with_every_id_whole(desk: Desk) -> None:
    parent = ""
    ids = [coin(str(depth)) for depth in range(33)]
    for order_id in ids:
        more = {"parentOrderId": parent} if parent else {}
        parent = desk.given("NEW", orderId=order_id, orderQty="100000", handlInst="MANUAL", **more)
    text = as_text(tree_of(desk.engine, ids[-1]), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert re.findall("ORD-[0-9a-f]+", text) == ids
    assert len(re.findall(r"ordered 100000\b", text)) == len(ids)


def test_orders_left_out_are_told_of_where_ids_are_long(desk: Desk) -> None:
    root = desk.given("NEW", orderId=coin("root"), orderQty="1000000", handlInst="MANUAL")
    for number in range(5):
        desk.given("NEW", orderId=coin(str(number)), orderQty="100", handlInst="MANUAL", parentOrderId=root)
    text = as_text(tree_of(desk.engine, root, most_children=2), 80)
    assert text.count("ORD-") == 3
    assert "└ and 3 more orders: 3 NEW" in text


@pytest.mark.parametrize("profile", ["standard", "matrix", "desk"])
def test_large_numbers_fit_between_the_boxes(engine: Engine, profile: Profile) -> None:
    told = states_of(engine, profile)
    large = told.but(passings=tuple(each.but(times=1_234_567) for each in told.passings))
    boxes = [*_boxes(ET.fromstring(svg(large)))]  # noqa: S314 - our own text
    numbers = [box for box in boxes if box[0].startswith("1,234,567")]
    assert len(numbers) == len(told.passings)
    for number, (text, left, right, y) in enumerate(numbers):
        for other, other_left, other_right, other_y in numbers[number + 1 :]:
            assert abs(y - other_y) >= 11 or right <= other_left or other_right <= left, (text, other)


def test_a_cash_order_that_is_not_acknowledged_has_no_quantity_to_draw(desk: Desk) -> None:
    order = {"securityType": "MF", "side": "SUBSCRIBE", "ordType": "MARKET", "cashOrderQty": "50000", "orderQty": None}
    order_id = desk.given("UNACK", **order, price=None)
    picture = waterfall_of(desk.engine, order_id)
    assert picture.order_qty is None
    assert "open ?" in as_text(picture, 80)
    assert "open ?" in mermaid(picture)
    assert "open" in svg(picture)
    assert "0/?" in as_text(timeline_of(desk.engine, order_id), 80, UNICODE)
