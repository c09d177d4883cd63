"""How do the tests make FIX logs? Messages by their tags, with the frame that simplefix gives them, or a wrong one."""

import io
from collections.abc import Iterable, Mapping
from contextlib import closing

from simplefix import FixMessage

from oms_engine import Engine, Order
from oms_engine.simulation.fix.account import Account
from oms_engine.simulation.fix.clock import LogClock
from oms_engine.simulation.fix.framing import Framing
from oms_engine.simulation.fix.reading import Message, Unreadable, read
from oms_engine.simulation.fix.replaying import Replay
from oms_engine.simulation.ids import CountedIds

SOH = b"\x01"
HOUSE, MARKET = "HOUSE", "MARKET"

Body = Mapping[int, object]


def message(
    kind: str, number: int, body: Body, *, sender: str = HOUSE, target: str = MARKET, begin: str = "FIX.4.4"
) -> bytes:
    """A message with a right BodyLength and CheckSum."""
    made = FixMessage()
    head = {
        8: begin,
        35: kind,
        49: sender,
        56: target,
        34: number,
        52: f"20260105-09:{number // 60 % 60:02}:{number % 60:02}.000",
    }
    for tag, value in {**head, **body}.items():
        if value is not None:
            made.append_pair(tag, str(value))
    return bytes(made.encode())


class Log:
    """A log that is written message by message; `order` is what reports repeat of an order of 1000 at 10.5."""

    def __init__(self) -> None:
        self.numbers = {HOUSE: 0, MARKET: 0}
        self.messages: list[bytes] = []

    def house(self, kind: str, **body: object) -> "Log":
        return self._add(kind, HOUSE, MARKET, body)

    def market(self, kind: str, **body: object) -> "Log":
        return self._add(kind, MARKET, HOUSE, body)

    def lose(self, side: str, count: int = 1) -> "Log":
        """Numbers that never come."""
        self.numbers[side] += count
        return self

    def _add(self, kind: str, sender: str, target: str, body: Mapping[str, object]) -> "Log":
        self.numbers[sender] += 1
        tags = {int(name.removeprefix("t")): value for name, value in body.items()}
        number = int(str(tags.pop(34, self.numbers[sender])))
        self.messages.append(message(kind, number, tags, sender=sender, target=target))
        return self

    def new(self, name: str = "C1", **changes: object) -> "Log":
        """A limit order to buy 1000 ACME at 10.5."""
        good = {
            "t1": "ACC",
            "t55": "ACME",
            "t54": 1,
            "t40": 2,
            "t38": 1000,
            "t44": "10.5",
            "t60": "20260105-09:00:00.000",
        }
        return self.house("D", t11=name, **{**good, **changes})

    def report(self, kind: str, status: str, name: str = "C1", **more: object) -> "Log":
        """An execution report; its ExecID counts."""
        number = self.numbers[MARKET] + 1
        return self.market(
            "8", **{"t37": f"M-{name}", "t11": name, "t17": f"E{number}", "t150": kind, "t39": status, **more}
        )

    def fill(
        self, quantity: int, price: str, cum: int, leaves: int, avg: str, name: str = "C1", **more: object
    ) -> "Log":
        status = "1" if leaves else "2"
        position = {"t32": quantity, "t31": price, "t151": leaves, "t14": cum, "t6": avg}
        return self.report("F", status, name, **{**position, **more})

    def live(self, name: str = "C1", **changes: object) -> "Log":
        """An order of 1000 that the market has acknowledged."""
        return self.new(name, **changes).report("0", "0", name, t151=1000, t14=0, t6=0)

    @property
    def data(self) -> bytes:
        return b"\n".join(self.messages) + b"\n"


def pieces(data: bytes) -> tuple[list[Message | Unreadable], int]:
    """What stands in a log, and how many bytes lie between."""
    framing = Framing(io.BytesIO(data))
    found = [read(piece, number) for number, piece in enumerate(framing.pieces(), 1)]
    return found, framing.between


def replayed(
    data: bytes, settings: Mapping[str, object] | None = None, **options: object
) -> tuple[Account, list[Order]]:
    """The account of a log, and the orders that the engine has then, by their id."""
    clock = LogClock()
    with closing(Engine.open(settings=dict(settings or {}), clock=clock, new_id=CountedIds())) as engine:
        account = Replay(engine, clock, **options).run(io.BytesIO(data))  # type: ignore[arg-type] # as its own are
        return account, orders_of(engine)


def orders_of(engine: Engine) -> list[Order]:
    page = engine.query(sort="orderId,ASC", size=500)
    return [order for order in page.content if isinstance(order, Order)]


def told(account: Account) -> list[tuple[int, str, str, str, str]]:
    """The differences: line, tag, log, engine, cause."""
    return [(each.place.line, each.field, each.log, each.engine, each.cause.value) for each in account.differences]


def kinds(found: Iterable[object]) -> dict[str, int]:
    """What was noticed -> how often."""
    return {each.what: each.count for each in found}  # type: ignore[attr-defined] # a Kind


def assert_it_adds_up(account: Account) -> None:
    """Every piece and every byte has exactly one place."""
    assert sum(account.verdicts.values()) == account.pieces
    assert sum(account.verdict_sizes.values()) + account.between == account.size
    assert sum(row.total for row in account.types) == account.pieces - account.verdicts["UNREADABLE"]
    assert all(row.equal + row.different + row.not_replayed == row.total for row in account.types)
    assert sum(kind.count for kind in account.not_replayed) == account.verdicts["NOT_REPLAYED"]
    assert sum(kind.size for kind in account.not_replayed) == account.verdict_sizes["NOT_REPLAYED"]
    assert sum(kind.count for kind in account.unreadable) == account.verdicts["UNREADABLE"]
    assert sum(kind.size for kind in account.unreadable) == account.verdict_sizes["UNREADABLE"]
    assert account.explained + account.unexplained >= account.verdicts["DIFFERENT"]
