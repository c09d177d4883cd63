"""Which orders are written? Each is created and placed at once, accepted, filled in part and then to the end."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from benchmarks.figures import Figure, Rounds, Scale
from oms_engine import Engine

Json = dict[str, Any]
T = TypeVar("T")

COMMANDS = 4
"""Commands in the life of an order."""

BATCH = 100
"""Commands that share a commit."""

SYMBOLS = 500
ACCOUNTS = 1_000


def life(number: int) -> Iterator[Json]:
    """The commands of one order, as a client sends them."""
    order_id = f"O-{number}"
    order = {
        "orderId": order_id,
        "clOrdId": f"C-{number}",
        "account": f"ACC-{number * 7919 % ACCOUNTS}",
        "symbol": symbol_of(number),
        "side": "BUY" if number % 3 else "SELL",
        "ordType": "LIMIT",
        "orderQty": "300",
        "price": price_of(number),
    }
    yield {"type": "OrderCreateCmd", "order": order}
    yield {"type": "OrderAcceptCmd", "orderId": order_id}
    for part, quantity in enumerate(("100", "200")):
        fill = {"orderId": order_id, "execId": f"E-{number}-{part}", "lastQty": quantity, "lastPx": order["price"]}
        yield {"type": "ExecutionCreateCmd", "execution": fill}


def symbol_of(number: int) -> str:
    """One of the symbols."""
    return f"SYM{number * 31 % SYMBOLS:03}"


def price_of(number: int) -> str:
    """A price between 50 and 150."""
    return f"{50 + number * 7919 % 10_000 / 100:.2f}"


def lives(first: int, orders: int) -> list[Json]:
    """The commands of some orders, step by step: all are created, then all are accepted, and so on."""
    return [command for step in zip(*map(life, range(first, first + orders)), strict=True) for command in step]


def life_in_blocks(scale: Scale, blocks: int) -> list[Json]:
    """The commands of all turns, one block of orders after the other."""
    return [command for number in range(blocks) for command in lives(number * scale.orders, scale.orders)]


def each_part(run: Callable[[list[T]], object], parts: list[T], size: int) -> Callable[[], None]:
    """A function that does the next part of the work whenever it is called."""
    left = iter(range(0, len(parts), size))

    def next_part() -> None:
        first = next(left)
        run(parts[first : first + size])

    return next_part


def rates(took: Rounds, scale: Scale) -> list[Figure]:
    """Commands per second of each variant."""
    commands = scale.orders * COMMANDS
    return [
        Figure.of(name, "commands/s", [commands / micros * 1_000_000 for micros in rounds])
        for name, rounds in took.items()
    ]


def execute_all(engine: Engine, commands: list[Json]) -> None:
    """One commit per command."""
    for command in commands:
        check(engine.execute(command).ok, command)


def execute_in_batches(engine: Engine, commands: list[Json]) -> None:
    """One commit per batch."""
    for first in range(0, len(commands), BATCH):
        batch = engine.execute_many(commands[first : first + BATCH])
        check(all(outcome.result.ok for outcome in batch.outcomes), commands[first])


def check(worked: bool, command: Mapping[str, Any]) -> None:
    """A benchmark of refusals would measure something else.

    Raises:
        RuntimeError: The command was refused.
    """
    if not worked:
        raise RuntimeError(f"the benchmark's own command was refused: {command}")


class Ticking:
    """A clock that moves a millisecond whenever it is read, so that files are the same in every run."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The next millisecond."""
        self._now += timedelta(milliseconds=1)
        return self._now
