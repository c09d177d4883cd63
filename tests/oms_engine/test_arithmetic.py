"""Are quantities and prices exact? Compared with fractions of whole numbers, which cannot round."""

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oms_engine.domain.model import NewOrder
from oms_engine.domain.quantities import add, average, is_multiple, notional, round_half_up, subtract
from oms_engine.domain.rules.assets import classify
from oms_engine.record import parse_decimal, plain, within_digits
from oms_engine.settings import Settings
from oms_engine.storage.codec import from_sortable, sortable
from tests.oms_engine.desk import Desk

LIMIT = 10**26

stored = st.integers(-LIMIT + 1, LIMIT - 1).map(lambda units: Decimal(units).scaleb(-8))
"""Every decimal of 18 integer and 8 fraction digits."""
positive = st.integers(1, LIMIT - 1).map(lambda units: Decimal(units).scaleb(-8))
finer = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=12)


def half_up(value: Fraction, digits: int) -> Fraction:
    """Half away from zero, on whole numbers."""
    scaled = abs(value) * 10**digits
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, 10**digits)


@given(a=stored, b=stored)
def test_sums_differences_and_products_are_exact(a: Decimal, b: Decimal) -> None:
    assert Fraction(add(a, b)) == Fraction(a) + Fraction(b)
    assert Fraction(subtract(a, b)) == Fraction(a) - Fraction(b)
    assert Fraction(notional(a, b)) == Fraction(a) * Fraction(b)


@given(total=stored, quantity=positive, digits=st.integers(0, 8))
@example(total=Decimal("0.5"), quantity=Decimal(1), digits=0)
@example(total=Decimal("-0.5"), quantity=Decimal(1), digits=0)
@example(total=Decimal("0.49999999"), quantity=Decimal(1), digits=0)
@example(total=Decimal(1), quantity=Decimal(3), digits=8)
@example(total=Decimal("128.42"), quantity=Decimal(12), digits=8)
def test_an_average_is_the_fraction_rounded_half_up(total: Decimal, quantity: Decimal, digits: int) -> None:
    assert Fraction(average(total, quantity, digits)) == half_up(Fraction(total) / Fraction(quantity), digits)


@given(value=finer, digits=st.integers(0, 8))
def test_rounding_is_half_up(value: Decimal, digits: int) -> None:
    assert Fraction(round_half_up(value, digits)) == half_up(Fraction(value), digits)


def test_no_quantity_has_the_average_zero() -> None:
    assert average(Decimal(0), Decimal(0)) == 0


def test_a_result_that_would_be_rounded_raises() -> None:
    with pytest.raises(Inexact):
        add(Decimal(10) ** 200, Decimal(1))


@given(value=stored)
def test_every_decimal_of_the_format_is_within_its_digits(value: Decimal) -> None:
    assert within_digits(value)
    assert within_digits(parse_decimal(plain(value) + ("" if "." in plain(value) else ".") + "0" * 12))


@given(value=stored.filter(bool), places=st.integers(9, 30))
def test_a_finer_decimal_is_not_within_the_digits(value: Decimal, places: int) -> None:
    assert not within_digits(add(value, Decimal(1).scaleb(-places)))


@given(value=st.integers(10**18, 10**40))
def test_a_larger_decimal_is_not_within_the_digits(value: int) -> None:
    assert not within_digits(Decimal(value))
    assert not within_digits(Decimal(-value))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("0", True), ("0.000000000", True), ("999999999999999999.99999999", True), ("1000000000000000000", False),
        ("0.00000001", True), ("0.000000001", False), ("0.0000000100", True), ("00000000000000000000001", True),
        ("-999999999999999999.99999999", True), ("999999999999999999.999999990", True), ("0.123456789", False),
    ],
)  # fmt: skip
def test_leading_and_trailing_zeros_do_not_count(text: str, fits: bool) -> None:
    assert within_digits(Decimal(text)) is fits
    assert within_digits(parse_decimal(text)) is fits


@given(units=st.integers(-(10**12), 10**12), tick=st.sampled_from(["0.01", "0.05", "0.25", "1", "100", "0.00000001"]))
def test_a_multiple_of_a_tick_is_one_and_its_neighbour_is_none(units: int, tick: str) -> None:
    value = units * Decimal(tick)
    assert is_multiple(value, Decimal(tick))
    assert not is_multiple(value + Decimal(tick) / 3, Decimal(tick)) or tick == "0.00000001"


@given(value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_plain_text_has_no_exponent_and_the_same_value(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text != "-0"
    assert "." not in text or text[-1] not in "0."


@given(a=stored, b=stored)
def test_the_text_in_a_column_sorts_as_the_numbers(a: Decimal, b: Decimal) -> None:
    assert (sortable(a) < sortable(b)) == (a < b)
    assert (sortable(a) == sortable(b)) == (a == b)
    assert from_sortable(sortable(a)) == a


@given(column=stored, asked=finer)
@example(column=Decimal(-1), asked=Decimal("-1.000000005"))
@example(column=Decimal(1), asked=Decimal("1.000000005"))
@example(column=Decimal("-0.00000001"), asked=Decimal("-0.000000001"))
@example(column=Decimal(0), asked=Decimal("-0.000000001"))
@example(column=Decimal("999999999999999999.99999999"), asked=Decimal(10) ** 18)
@example(column=Decimal("-999999999999999999.99999999"), asked=Decimal(-(10**18)))
@example(column=Decimal(123456789012345678), asked=Decimal("123456789012345678.00000000000000000001"))
@example(column=Decimal(-123456789012345678), asked=Decimal("-123456789012345678.00000000000000000001"))
def test_finer_and_larger_values_compare_rightly_with_a_column(column: Decimal, asked: Decimal) -> None:
    assert (sortable(column) < sortable(asked)) == (column < asked)
    assert (sortable(column) > sortable(asked)) == (column > asked)


@given(values=st.lists(stored, min_size=1, max_size=5))
@example(values=[Decimal("-0.5"), Decimal(-1), Decimal(0), Decimal("-999999999999999999.99999999")])
def test_a_view_shows_plain_decimals(values: list[Decimal]) -> None:
    desk = Desk()
    for price in values:
        assert desk.create(price=plain(price), priceType="SPREAD").ok
    shown = desk.engine._store.connection.execute("SELECT price, orderQty FROM order_view ORDER BY id").fetchall()
    assert shown == [(plain(price), "1000") for price in values]


@pytest.mark.parametrize(
    ("order", "asset_class"),
    [
        ({"symbol": "IBM"}, "EQUITY"),
        ({"symbol": "BRK.A"}, "EQUITY"),
        ({"symbol": "BTC", "asset_class": "FUND"}, "FUND"),
        ({"symbol": "EUR/USD", "security_type": "MF"}, "FUND"),
        ({"symbol": "XYZ", "security_type": "OPT", "side": "SUBSCRIBE"}, "DERIVATIVE"),
        ({"symbol": "XYZ", "security_type": "CORP"}, "STRUCTURED_PRODUCT"),
        ({"symbol": "EUR/USD", "side": "REDEEM"}, "FUND"),
        ({"symbol": "EUR/USD"}, "FX_MONEY_MARKET"),
        ({"symbol": "EUR/XXQ"}, "GENERIC"),
        ({"symbol": "BTC"}, "DIGITAL_ASSET"),
        ({"symbol": "BTC-USD"}, "DIGITAL_ASSET"),
        ({"symbol": "ETH/EUR"}, "DIGITAL_ASSET"),
        ({"symbol": "ibm"}, "GENERIC"),
        ({"symbol": "ABCDEF"}, "GENERIC"),
        ({}, "GENERIC"),
    ],
)
def test_the_first_match_names_the_asset_class(order: dict[str, str], asset_class: str) -> None:
    assert classify(NewOrder.model_validate(order), Settings()) == asset_class
