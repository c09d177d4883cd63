"""How is a market simulated from its first session to its last? In series, and on from where it was cut."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import perf_counter, perf_counter_ns

from oms_engine.domain.commands import Command, CommandResult
from oms_engine.engine import Engine
from oms_engine.errors import ScenarioError
from oms_engine.results import Outcome
from oms_engine.simulation.load.measures import Histogram, Point, Series
from oms_engine.simulation.load.queries import Questions
from oms_engine.simulation.load.resuming import Replay, begun, cut_commands
from oms_engine.simulation.load.tally import NOTE, Tally
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.reconciling import problems
from oms_engine.simulation.market.session import Session, Step
from oms_engine.simulation.market.world import World

Send = Callable[[Command], Outcome]
Heard = Callable[[Step], None]

MOST_RECONCILED = 10
"""Sessions of a plan in which engine and venue are compared order by order."""

MEASURED_EVERY = 100
"""Commands from one point of the series to the next."""

NANO = 1_000_000_000


class Load:
    """A simulated market on an engine, from where its store was left.

    Args:
        engine: Opened with clock and ids of the world.
        plan: What is simulated.
        world: The clock and the ids.

    Attributes:
        tally: What was done, with what an earlier run did in the same store.
        found: How many sessions were whole already.
        began_at: The position of the last event that was there already.
        orders: How many orders this run sent.
        commands: How many commands this run sent.
        seconds: How long the sessions of this run took.
        latencies: How long commands took, by type; a commit that they share is not in it.
        commits: How long the commit of a session took.
        series: How far the run was, moment by moment.

    Raises:
        OtherPlan: The store holds another market.
        ScenarioError: The store holds orders of others.
    """

    def __init__(self, engine: Engine, plan: MarketPlan, world: World) -> None:
        self.tally = begun(engine, plan)
        self.found = self.tally.sessions
        self.orders = 0
        self.commands = 0
        self.seconds = 0.0
        self.latencies: dict[str, Histogram] = {}
        self.commits = Histogram()
        self.series = Series()
        self.questions = Questions(engine, plan.sessions)
        self.began_at = engine.position
        self._engine = engine
        self._plan = plan
        self._world = world
        self._began = 0.0
        self._position = self.tally.position
        self._cut = cut_commands(engine, self.tally)

    @property
    def goes_on(self) -> bool:
        """Was something of the plan in the store already?"""
        return bool(self.found or self._cut)

    @property
    def is_complete(self) -> bool:
        """Are all sessions whole?"""
        return self.tally.sessions == self._plan.sessions

    def run(self, heard: Heard = lambda _step: None, *, paced: bool = False) -> None:
        """Run the sessions that are missing.

        Args:
            heard: Told each command that was carried out, right afterwards; it may take its time.
            paced: A commit for each command, so that others can watch; otherwise one for each session.

        Raises:
            StoreError: The store could not be written; the sessions that are whole are kept.
            ScenarioError: Somebody else wrote into the store meanwhile, or the cut session cannot go on.
        """
        for _ in self.sessions(heard, paced=paced):
            pass

    def sessions(self, heard: Heard = lambda _step: None, *, paced: bool = False) -> Iterator[Session]:
        """As `run`; yields each session when it is whole and committed."""
        if not self._engine.noted(NOTE):
            self._note(self.tally)
        self._measure(self.seconds)
        for number in range(self.tally.sessions + 1, self._plan.sessions + 1):
            session = self._one_by_one(number, heard) if paced else self._together(number, heard)
            self._measure(self.seconds)
            self.questions.after(number, list(session.floor.orders.values()))
            yield session

    def _together(self, number: int, heard: Heard) -> Session:
        """Run a session in one transaction."""
        with ExitStack() as block:
            began = self._began = perf_counter()
            batch = block.enter_context(self._engine.batch())
            session = self._session(number, batch.run, heard, block)
            ran = perf_counter()
            tally = self._after(session)
            batch.note(NOTE, tally.to_text())
            ended = perf_counter()
        committed = perf_counter() - ended
        self.commits.note(int(committed * NANO))
        self.seconds += ran - began + committed
        self.tally = tally
        return session

    def _one_by_one(self, number: int, heard: Heard) -> Session:
        """Run a session with a transaction for each command."""
        began = self._began = perf_counter()
        with ExitStack() as block:
            session = self._session(number, self._engine.run, heard, block)
        self.seconds += perf_counter() - began
        tally = self._after(session)
        self._note(tally)
        self.tally = tally
        return session

    def _session(self, number: int, run: Send, heard: Heard, block: ExitStack) -> Session:
        if not self._cut:
            self._require_alone(f"while session {number} was to begin")
        session = Session(self._plan, number, self._world, self._sender(number, run, block))
        for step in session.run():
            heard(step)
        self._require_alone(f"in session {number}")
        return session

    def _require_alone(self, when: str) -> None:
        """Refuse to go on where the store has events behind those that are known."""
        if self._engine.position != self._position:
            raise _written_by_another(when)

    def _sender(self, number: int, run: Send, block: ExitStack) -> Send:
        """Carries out a command and measures it; first beside the store, where the store has it already."""
        replay = None
        if self._cut:
            replay = block.enter_context(Replay(self._engine, self._world, self._cut, self.tally.position))
        self._cut = []

        def send(command: Command) -> Outcome:
            if replay is not None and replay.is_behind:
                outcome = replay.run(command)
                self._position = replay.position
                return outcome
            began = perf_counter_ns()
            outcome = run(command)
            self._sent(command.type, perf_counter_ns() - began)
            self._follow(outcome.result, number)
            return outcome

        return send

    def _follow(self, result: CommandResult, number: int) -> None:
        """Note where a command's events stand; those of another program stand between, or are the command's own."""
        if not result.events:
            return
        if result.duplicate or result.events[0].position != self._position + 1:
            raise _written_by_another(f"in session {number}")
        self._position += len(result.events)

    def _sent(self, kind: str, nanoseconds: int) -> None:
        self.commands += 1
        if kind in {"OrderCreateCmd", "OrderGroupCmd"}:
            self.orders += 1
        if (latency := self.latencies.get(kind)) is None:
            latency = self.latencies[kind] = Histogram()
        latency.note(nanoseconds)
        if self.commands % MEASURED_EVERY == 0:
            self._measure(self.seconds + perf_counter() - self._began)

    def _after(self, session: Session) -> Tally:
        found = list(problems(session, self._engine)) if self._is_reconciled(session.number) else None
        return self.tally.after(session, self._engine.position, found)

    def _is_reconciled(self, number: int) -> bool:
        """Comparing order by order takes longer than the session, so of many sessions only some are compared."""
        return number % -(-self._plan.sessions // MOST_RECONCILED) == 0 or number == self._plan.sessions

    def _note(self, tally: Tally) -> None:
        with self._engine.batch() as batch:
            batch.note(NOTE, tally.to_text())

    def _measure(self, seconds: float) -> None:
        self.series.note(Point(seconds, self.commands, self.orders, self._engine.size))


def _written_by_another(when: str) -> ScenarioError:
    return ScenarioError(
        f"another program wrote into the database {when}; "
        "what is simulated must be alone in its file, so name another one"
    )
