"""Which tool tries things on a copy of the store that is thrown away afterwards?"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from threading import Event
from typing import Annotated, Any, Literal

from anyio import create_task_group, fail_after, sleep_forever
from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync
from mcp_types import CallToolResult
from pydantic import Field

from oms_engine import Engine, Refused, ScenarioError, Settings
from oms_engine.domain.catalogue import refused_value, violation
from oms_engine.errors import problem_of
from oms_engine.framework.orchestration import TaskStatus
from oms_engine.settings import FIXED_AT_OPENING
from oms_engine.simulation.run import Rehearsal, Script, StepRun, require_settings, staged
from oms_engine.simulation.scenario import Scenario, Step, is_name, parse_scenarios
from oms_engine.storage.past import Moment
from oms_mcp.arguments import Format, ToolSpec, given_twice
from oms_mcp.scenarios import documented_scenarios, only_one
from oms_mcp.seam import Backend, Ctx, Out, answer, backend_of, session_of
from oms_mcp.shapes import ResponseFormat, Wire, shaped

MOST_STEPS = 1_000
"""Commands, questions and checks of one simulation."""

MOST_SECONDS = 30.0
"""How long a simulation may take, with the copying before it."""

_REPORTS = 100
"""How often progress is reported at most."""

_SAY_NOTHING = frozenset({TaskStatus.SUCCESS, TaskStatus.SKIPPED, TaskStatus.NOT_RUN})
"""How a task can end without anything to say of it."""

Base = Literal["empty", "current"]


class StepOut(Out):
    """What a command answered; a question of a scenario has page, a state check has checked."""

    place: str
    id: str | None = None
    status: str | None = None
    message: str | None = None
    state: str | None = None
    version: int | None = None
    error: dict[str, Any] | None = None


class SimulateOut(Out):
    """Steps in order, the orders they touched as they end, their events; held: every expectation came true."""

    base: str
    as_of: str | None = None
    steps: list[StepOut]
    orders: list[dict[str, Any]]
    events: list[dict[str, Any]]
    held: bool
    compared: int
    differences: list[dict[str, Any]]
    truncated: str | None = None


async def simulate(
    ctx: Ctx,
    *,
    commands: Annotated[
        list[dict[str, Any]] | None, Field(description='envelopes: {"type": "OrderAcceptCmd", "orderId": "ORD-7"}')
    ] = None,
    scenario: Annotated[str, Field(description="or its id or DOC#ID in the knowledge base, or YAML")] = "",
    base: Annotated[
        Base | None, Field(description="store to copy; absent: current for commands, empty for a scenario")
    ] = None,
    as_of: Annotated[str, Field(description="copy the past: p3456, or ISO-8601 with offset")] = "",
    response_format: Format = "concise",
) -> CallToolResult:
    """Try commands, or run a scenario, on a throw-away copy: every answer, the orders and events; nothing is stored."""
    backend = backend_of(ctx)
    asked = "scenario" if scenario.strip() else "commands"
    chosen: Base = base or ("current" if as_of or commands is not None else "empty")
    _require_one_start(base, as_of)
    try:
        played = await run_sync(_scenario, backend, commands, scenario, chosen)
        async with nullcontext() if chosen == "empty" else backend.copying:
            with fail_after(MOST_SECONDS):
                past = await run_sync(_moment, backend.engine, as_of) if as_of else None
                async with _stage(ctx, played, chosen, past) as rehearsal:
                    await _performed(ctx, rehearsal)
                    told = await run_sync(_told, rehearsal, response_format)
    except TimeoutError:
        message = f"{asked} took longer than {MOST_SECONDS:g} seconds; nothing was stored. Send less at once"
        raise refused_value(asked, message, "OMS-VAL-005") from None
    except ScenarioError as error:
        raise refused_value("scenario", str(error)) from None
    wire = {"base": chosen, **({"asOf": past.name} if past else {}), **told}
    return await run_sync(
        partial(answer, backend, wire, narrow="send fewer commands at once, or response_format=concise")
    )


def _require_one_start(base: Base | None, as_of: str) -> None:
    if base == "empty" and as_of:
        raise Refused(problem_of([given_twice("as_of", "base empty has no past that as_of could name")]))


def _scenario(backend: Backend, commands: Sequence[dict[str, Any]] | None, scenario: str, base: Base) -> Scenario:
    """What is to be played: the commands as steps without expectations, or the scenario that is named or written."""
    named = bool(scenario.strip())
    if commands is not None and named:
        raise Refused(problem_of([given_twice("scenario", "commands and scenario both say what to run")]))
    if commands is None and not named:
        message = "commands is missing; give commands, or scenario"
        raise Refused(problem_of([violation("ENV-07", "OMS-VAL-003", "commands", message)]))
    if commands is not None and not commands:
        message = "commands is empty, so there is nothing to try; send one to 1,000 envelopes, or a scenario"
        raise Refused(problem_of([violation("ENV-07", "OMS-VAL-003", "commands", message)]))
    if named:
        found = _found(backend, scenario)
    else:
        steps = (Step(place=f"command {n}", line=n, do=envelope) for n, envelope in enumerate(commands or (), 1))
        changed = _changed_settings(backend.engine) if base == "empty" else {}
        found = Scenario(
            id="commands", title="commands", settings=changed, clock=backend.engine.now(), steps=tuple(steps)
        )
    count = len(found.given) + len(found.steps)
    if count > MOST_STEPS:
        field = "scenario" if named else "commands"
        message = f"{field} has {count:,} steps; at most {MOST_STEPS:,} are simulated at once; send them in parts"
        raise refused_value(field, message, "OMS-VAL-005")
    return found


def _found(backend: Backend, text: str) -> Scenario:
    """The one scenario that a text names, or that it is."""
    name = text.strip().removeprefix("kb://")
    if is_name(name):
        return only_one(documented_scenarios(backend.library, name), name)
    return only_one(parse_scenarios(text, "scenario"), "scenario")


def _changed_settings(engine: Engine) -> Wire:
    """The settings of this server that are not the defaults, as far as an empty store can have them."""
    now, default = engine.settings.to_wire(), Settings().to_wire()
    return {name: now[name] for name in now if now[name] != default[name] and name not in FIXED_AT_OPENING}


@asynccontextmanager
async def _stage(ctx: Ctx, played: Scenario, base: Base, past: Moment | None) -> AsyncIterator[Rehearsal]:
    """The copy that a scenario is played on; it is gone afterwards."""
    engine = backend_of(ctx).engine
    session = session_of(ctx)
    if base == "empty":
        with staged(played, **({"session_id": session} if played.id == "commands" else {})) as rehearsal:
            yield rehearsal
        return
    await ctx.report_progress(0, None, "copying the store")
    script = Script(past.time if past.position else engine.now()) if past else None
    clock, as_of = (script.clock if script else None), (past.name if past else "")
    with await _copied(partial(engine.copy, as_of, session_id=session, clock=clock)) as copy:
        await checkpoint()  # if nobody waits any more, the copy is closed here
        require_settings(played, copy.settings)
        yield Rehearsal(played, copy, script)


def _moment(engine: Engine, as_of: str) -> Moment:
    """The moment of the past that a text means."""
    with engine.at(as_of) as past:
        return past.moment


async def _copied(copy: Callable[..., Engine]) -> Engine:
    """Copy in a thread; it ends soon after nobody waits any more, and is always waited for, so there is one at most."""
    given_up = Event()

    def go_on(_done: int, _all: int) -> None:
        if given_up.is_set():
            raise ScenarioError("nobody waits for this copy any more")

    def made() -> Engine | Exception:
        try:
            return copy(progress=go_on)
        except Exception as problem:  # noqa: BLE001 - handed on below, out of the task group
            return problem

    async def notice() -> None:
        try:
            await sleep_forever()
        finally:
            given_up.set()

    async with create_task_group() as group:
        group.start_soon(notice)
        done = await run_sync(made)
        group.cancel_scope.cancel()
    if isinstance(done, Exception):
        await checkpoint()  # whoever was cancelled meanwhile is to learn that, and not what became of the copy
        raise done
    return done


async def _performed(ctx: Ctx, rehearsal: Rehearsal) -> None:
    """Take every step; between two of them others have their turn, and whoever asked may have gone."""
    total = len(rehearsal.scenario.given) + len(rehearsal.scenario.steps)
    every = -(-total // _REPORTS)
    for done, step in enumerate(rehearsal.steps(), 1):
        if done % every == 0 or done == total:
            await ctx.report_progress(done, total, step.place)
        await checkpoint()


def _told(rehearsal: Rehearsal, response_format: ResponseFormat) -> Wire:
    """What came of it; of many steps this takes a while, so it is made in a thread."""
    run = rehearsal.outcome()
    return {
        "steps": [_step(step, response_format) for step in run.steps],
        "orders": [shaped("order", order, response_format) for order in run.orders],
        "events": [shaped("event", event, response_format) for event in run.events],
        "held": run.passed,
        "compared": run.compared,
        "differences": [found.to_wire() for found in run.differences],
    }


def _step(step: StepRun, response_format: ResponseFormat) -> Wire:
    """What a step answered; concise leaves out the tasks that have nothing to say."""
    wire: Wire = {"place": step.place}
    if step.result:
        wire |= step.result.to_wire()
        if response_format == "concise":
            wire["tasks"] = [task.to_wire() for task in step.result.tasks if task.status not in _SAY_NOTHING]
        return wire
    told = step.to_wire()
    return wire | {name: told[name] for name in ("page", "checked", "error") if name in told}


TOOLS = (ToolSpec(simulate, SimulateOut, "Try on a copy", read_only=True),)
