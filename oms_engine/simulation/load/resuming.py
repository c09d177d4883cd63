"""Where does a load go on in a store that it was cut off in, and whose orders are in there?

The store says which sessions are whole: the tally is written in the transaction of the last command of each. A run
with a commit for each command can be cut off in the middle of one; that session is run again beside the store, in
memory, to know what its first commands led to, and goes on in the store with the first that is missing.
"""

from collections.abc import Iterator
from typing import Self, TypeVar

from oms_engine.domain.commands import Command
from oms_engine.domain.events import SETTINGS_STREAM, StoredEvent
from oms_engine.domain.model import Order
from oms_engine.engine import Engine
from oms_engine.errors import ScenarioError, shown
from oms_engine.results import MainObject, Moved, Outcome
from oms_engine.simulation.load.tally import NOTE, Tally
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.world import World

AnyOrder = TypeVar("AnyOrder", Order, Order | None)

_MANY = 500


class OtherPlan(ScenarioError):
    """The store holds another market than the one that is asked for.

    Attributes:
        begun: What was simulated there, and how far.
    """

    def __init__(self, begun: Tally, asked: MarketPlan) -> None:
        self.begun = begun
        told = ", ".join(
            f"{name} {value} and not {getattr(asked, name)}"
            for name, value in vars(begun.plan).items()
            if name != "digest" and value != getattr(asked, name)
        )
        reason = f"with {told}" if told else "by another edition of the market, which led to other orders"
        super().__init__(f"the database holds a market that was simulated {reason}")


def begun(engine: Engine, plan: MarketPlan) -> Tally:
    """What a store says of this plan: nothing yet in an empty one.

    Raises:
        OtherPlan: It holds another market.
        ScenarioError: It holds orders that no simulation sent.
    """
    note = engine.noted(NOTE)
    if not note:
        _require_only_settings(engine)
        return Tally(plan, plan.digest, position=engine.position)
    tally = Tally.of_text(note)
    if (tally.plan, tally.digest) != (plan, plan.digest):
        raise OtherPlan(tally, plan)
    return tally


def _require_only_settings(engine: Engine) -> None:
    after = 0
    while found := engine.touched(after):
        for position, stream in found:
            if stream != SETTINGS_STREAM:
                raise ScenarioError(
                    f"the database holds orders that no simulation sent: event {position} is of {shown(stream)}; "
                    "name another file, which may be new"
                )
        after = found[-1][0]


def cut_commands(engine: Engine, tally: Tally) -> list[str]:
    """The commandIds that are stored of the session after the last whole one, in order; none as a rule.

    Raises:
        ScenarioError: Events behind the last whole session are not of the next one.
    """
    expected = tally.plan.correlation_id(tally.sessions + 1) if tally.sessions < tally.plan.sessions else None
    commands: dict[str, None] = {}
    for event in _events(engine, tally.position):
        if event.correlation_id != expected:
            raise ScenarioError(
                f"event {event.position} of {shown(event.stream_id)} was written by another program after the "
                f"simulation; with it the market cannot go on, so name another file"
            )
        commands[event.command_id] = None
    return list(commands)


def _events(engine: Engine, after: int) -> Iterator[StoredEvent]:
    while events := engine.events(after=after, limit=_MANY):
        yield from events
        after = events[-1].position


class Replay:
    """Carries out the first commands of a session beside the store, as far as the store has them, then in the store.

    Args:
        engine: The engine of the store.
        world: Its clock and ids, which the other engine shares.
        stored: The commandIds that the store has of the session, in order.
        position: The position of the last event before the session.

    Attributes:
        position: The position of the last event in the store that was carried out again.
    """

    def __init__(self, engine: Engine, world: World, stored: list[str], position: int) -> None:
        self.position = position
        self._engine = engine
        self._before = position
        self._stored = iter(stored)
        self._next = next(self._stored, None)
        self._beside = Engine.open(
            settings=engine.settings, clock=world.clock, new_id=world.new_id, keep_settings=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.close()

    @property
    def is_behind(self) -> bool:
        """Has the store more of the session than was carried out again?"""
        return self._next is not None

    def run(self, command: Command) -> Outcome:
        """Carry out a command that the store has, or that was refused before one that it has."""
        outcome = self._beside.run(command)
        if outcome.result.ok:
            self._compare(str(command.command_id))
            self._go_on()
        return outcome._replace(
            before=self._placed(outcome.before),
            after=self._placed(outcome.after),
            others=tuple(Moved(self._order(each.before), self._order(each.after)) for each in outcome.others),
        )

    def _go_on(self) -> None:
        """The store has this one; when it has no more, its engine goes on as if it had carried out all of them."""
        self._next = next(self._stored, None)
        if not self.is_behind:
            self._engine.go_on_counting(self._beside)

    def _placed(self, about: MainObject | None) -> MainObject | None:
        return self._order(about) if isinstance(about, Order) else about

    def _order(self, order: AnyOrder) -> AnyOrder:
        """The order as the store has it, where its id is the position of its first event."""
        return order if order is None else order.model_copy(update={"id": order.id + self._before})

    def _compare(self, command_id: str) -> None:
        there, here = (engine.written_by(command_id) for engine in (self._engine, self._beside))
        if command_id != self._next or list(map(_content, there)) != list(map(_content, here)):
            raise ScenarioError(
                f"command {shown(str(self._next))} led to other events when it was carried out again than the database "
                "has, so the rest would not fit; settings or program are not those of then, so name another file"
            )
        self.position = there[-1].position


def _content(event: StoredEvent) -> dict[str, object]:
    return {**event.as_dict(), "position": None}
