"""How do the tests simulate a day? An engine in memory, a venue alone, and sessions from their plan."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from oms_engine import Engine
from oms_engine.domain.vocabulary import OrdType, Side, TimeInForce
from oms_engine.simulation.market.agenda import Agenda
from oms_engine.simulation.market.chance import Chance
from oms_engine.simulation.market.faults import Faults
from oms_engine.simulation.market.line import MINUTE
from oms_engine.simulation.market.messages import CancelRequest, NewOrderSingle, ReplaceRequest, Report
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.session import Session, Step
from oms_engine.simulation.market.venue import Venue
from oms_engine.simulation.market.world import World

CLOSE = 60 * MINUTE


@contextmanager
def engine_of(world: World) -> Iterator[Engine]:
    """An engine in memory that lives in a simulated world."""
    with Engine.open(clock=world.clock, new_id=world.new_id) as engine:
        yield engine


def run_all(plan: MarketPlan, world: World, engine: Engine) -> list[tuple[Session, list[Step]]]:
    """Every session of a plan, run to its end."""
    sessions = [Session(plan, number, world, engine.run) for number in range(1, plan.sessions + 1)]
    return [(session, list(session.run())) for session in sessions]


class Alone:
    """A venue that trades ACME at 100.00, with nobody else there; what it reports is kept."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.agenda = Agenda(CLOSE)
        self.told: list[Report] = []
        self.venue = Venue(
            {"ACME": 10_000},
            faults or Faults(),
            Chance(1, 1, "venue"),
            report=self.told.append,
            later=self.agenda.later,
            clock=self.agenda.clock,
        )

    def new(
        self, name: str, side: Side = Side.BUY, quantity: str = "10", price: str | None = "100", **more: object
    ) -> list[Report]:
        """What is reported when an order is sent; LIMIT with a price, MARKET without one."""
        terms = {
            "ord_type": OrdType.MARKET if price is None else OrdType.LIMIT,
            "symbol": "ACME",
            "stop_px": None,
            "time_in_force": TimeInForce.DAY,
            "order_qty": Decimal(quantity),
            "price": None if price is None else Decimal(price),
        } | more
        return self.after(NewOrderSingle(order_id=name, cl_ord_id=name, side=side, **terms))  # type: ignore[arg-type] # as given

    def cancel(self, name: str, changes_seen: int = 0) -> list[Report]:
        return self.after(CancelRequest(name, name, changes_seen))

    def replace(
        self, name: str, quantity: str = "10", price: str | None = "100", changes_seen: int = 0, **more: object
    ) -> list[Report]:
        terms = {"stop_px": None, "time_in_force": TimeInForce.DAY} | more
        limit = None if price is None else Decimal(price)
        return self.after(
            ReplaceRequest(name, f"{name}-2", name, Decimal(quantity), limit, changes_seen=changes_seen, **terms)
        )  # type: ignore[arg-type] # as given

    def after(self, request: NewOrderSingle | CancelRequest | ReplaceRequest) -> list[Report]:
        """What is reported when something is received."""
        before = len(self.told)
        self.venue.receive(request)
        return self.told[before:]

    def wait(self) -> list[Report]:
        """What is reported when time goes on until nothing more happens."""
        before = len(self.told)
        while self.agenda.go_on():
            pass
        return self.told[before:]
