"""What happens in one trading session? Everything in the order of its time, each command with what the engine said."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from oms_engine.domain.commands import Command
from oms_engine.results import Outcome
from oms_engine.simulation.market.agenda import Agenda
from oms_engine.simulation.market.calendar import TradingCalendar
from oms_engine.simulation.market.chance import MILLION, Chance
from oms_engine.simulation.market.crowd import Crowd
from oms_engine.simulation.market.desk import Desk
from oms_engine.simulation.market.envelopes import Envelopes
from oms_engine.simulation.market.faults import FAULTS
from oms_engine.simulation.market.floor import Floor
from oms_engine.simulation.market.gateway import Gateway
from oms_engine.simulation.market.line import MINUTE, SECOND, Line
from oms_engine.simulation.market.messages import Listener, Report
from oms_engine.simulation.market.mixes import MIXES
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.retrying import Retrying
from oms_engine.simulation.market.street import Street
from oms_engine.simulation.market.venue import Venue
from oms_engine.simulation.market.world import World

Send = Callable[[Command], Outcome]

CALENDAR = TradingCalendar()
"""The days of every simulated market."""

SYMBOLS = ("ALDR", "BRKN", "CEDA", "DUNE", "ELMS", "FERN", "GORS", "HAZL", "IVYS", "JUNP", "KELP", "LARC")
"""What is traded; none of them is a real company."""

_PRICES = (800, 40_000)
_OFF = 100_000
_LAST_CALL = 20 * MINUTE
_QUARTER = 15 * MINUTE
_OUTAGES = (5 * SECOND, 30 * SECOND, MINUTE, 4 * MINUTE)
_LEAST_STIRS = 120
_TIDY_ROUNDS = 12


class Step(NamedTuple):
    """One command that was sent.

    Attributes:
        at: When, in the time of the simulation.
        command: What was sent.
        outcome: What the engine said.
    """

    at: datetime
    command: Command
    outcome: Outcome

    @property
    def kind(self) -> str:
        """The type of the command."""
        return self.command.type


class Session:
    """One trading session of a plan. It knows nothing of the others and leaves nothing open, so each can be run alone.

    Args:
        plan: What is simulated.
        number: Which of its sessions, counted from 1.
        world: Clock and ids of the engine.
        send: Carries out a command: `engine.run`, or the same of a batch.
        listener: Hears what house and venue say to each other.

    Attributes:
        hours: When it opens and closes.
        commands: How many commands of each type were sent.
        refused: How many of them the engine refused, by type and error code.
        floor: The orders of the session.
        venue: What it executed, and what went wrong there.
    """

    def __init__(
        self, plan: MarketPlan, number: int, world: World, send: Send, listener: Listener | None = None
    ) -> None:
        self.plan = plan
        self.number = number
        self.hours = CALENDAR.session(number)
        self.commands: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self._faults = FAULTS[plan.faults]
        self._world = world
        self._send = send
        self._listener = listener or Listener()
        self._agenda = Agenda((self.hours.closing - self.hours.opening) // timedelta(microseconds=1))
        envelopes = Envelopes(f"{plan.digest}-{number}", plan.correlation_id(number))
        opening = self._opening_prices()
        self.venue = self._new_venue(opening)
        self.floor = Floor(
            f"S{number}", plan.orders_of(number), self.venue.books, envelopes=envelopes, later=self._agenda.later
        )
        self._gateway = Gateway(self.hours.opening, envelopes)
        self._to_venue = Line(self._chance("line to the venue"), self._faults.slowness)
        self._from_venue = Line(self._chance("line from the venue"), self._faults.slowness)
        self._desk = Desk(self.floor, self._chance("desk"))
        self._street = Street(self.venue, opening, self._chance("street"))
        self._crowd = Crowd(MIXES[plan.mix], self.floor, self._chance)
        self._pace = self._chance("pace")
        self._retrying = Retrying(self._agenda, self.floor.asked.extend, self._chance("retries"))

    def run(self) -> Iterator[Step]:
        """Run the session: a step after each command; the next one is sent when its step is asked for."""
        self._world.begin(self.number, self.hours.opening)
        self._agenda.at(self._agenda.close, self.venue.close)
        self._plan_outages()
        self._agenda.later(self._gap(), self._arrive)
        self._agenda.later(1, self._stir)
        yield from self._go_on()
        for _ in range(_TIDY_ROUNDS):
            if not self._desk.tidy():
                return
            yield from self._ask()
            yield from self._go_on()

    def _go_on(self) -> Iterator[Step]:
        """Let everything happen that is on the agenda."""
        while self._agenda.go_on():
            yield from self._ask()

    def _ask(self) -> Iterator[Step]:
        """Send the commands that wait, but for those of a session that has to send another one again."""
        asked = self.floor.asked
        while asked:
            command = asked.popleft()
            if not self._retrying.must_wait(command):
                yield self._carry_out(command)

    def _carry_out(self, command: Command) -> Step:
        self._world.move(self._agenda.now)
        outcome = self._send(command)
        self._count(command, outcome)
        self._retrying.answered(command, outcome)
        self.floor.hear(outcome)
        for request in self._gateway.requests(outcome):
            self._listener.sent(request, self._agenda.now)
            self._agenda.at(self._to_venue.arrival(request, self._agenda.now), self.venue.receive, request)
        return Step(self._world.clock(), command, outcome)

    def _count(self, command: Command, outcome: Outcome) -> None:
        self.commands[command.type] += 1
        if outcome.result.error is not None:
            self.refused[command.type, outcome.result.error.error_code] += 1

    def _report(self, report: Report) -> None:
        self._listener.reported(report, self._agenda.now)
        self._agenda.at(self._from_venue.arrival(report, self._agenda.now), self._deliver, report)

    def _deliver(self, report: Report) -> None:
        self._listener.delivered()
        self.floor.asked.append(self._gateway.command(report))

    def _arrive(self) -> None:
        """Somebody comes and sends orders, unless those who came before send the rest."""
        if self.floor.left:
            self._crowd.arrive()
        if self.floor.left:
            self._agenda.later(self._gap(), self._arrive)

    def _gap(self) -> int:
        """Time until the next arrival, so that all come before the last call; those that are left then come at once."""
        until = self._agenda.close - _LAST_CALL - self._agenda.now
        expected = self._crowd.arrivals_for(self.floor.left) + 1
        return max(1, min(self._pace.between(1, max(1, 2 * until // expected)), until))

    def _stir(self) -> None:
        self._street.stir()
        stirs = max(_LEAST_STIRS, self.plan.orders_of(self.number))
        self._agenda.later(self._pace.between(1, 2 * self._agenda.close // stirs), self._stir)

    def _plan_outages(self) -> None:
        chance = self._chance("outages")
        for quarter in range(0, self._agenda.close, _QUARTER):
            if chance.happens(self._faults.outage):
                self._agenda.at(quarter + chance.below(_QUARTER), self._go_down, chance.quantile(_OUTAGES))

    def _go_down(self, duration: int) -> None:
        until = self._agenda.now + duration
        self._to_venue.go_down(until)
        self._from_venue.go_down(until)
        self.venue.disconnect()

    def _new_venue(self, opening: Mapping[str, int]) -> Venue:
        return Venue(
            opening,
            self._faults,
            self._chance("venue"),
            report=self._report,
            later=self._agenda.later,
            clock=self._agenda.clock,
        )

    def _opening_prices(self) -> dict[str, int]:
        """Each symbol has a price of its own, and each session opens up to 10 % off it."""
        usual, today = Chance(self.plan.seed, 0, "prices"), self._chance("prices")
        return {
            symbol: usual.between(*_PRICES) * (MILLION + today.between(-_OFF, _OFF)) // MILLION for symbol in SYMBOLS
        }

    def _chance(self, purpose: str) -> Chance:
        return Chance(self.plan.seed, self.number, purpose)
