"""Do tables come true that show what happens? What they show is tried with an engine, or read where it is decided."""

import re
import tomllib
from typing import Any

from oms_engine import Engine
from oms_engine.domain.vocabulary import HandlInst
from oms_engine.errors import Refused
from oms_engine.workflows import TASK_NAMES, WORKFLOWS
from tests.docs import stories
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes, links, words
from tests.docs.pictures import ROOT
from tests.docs.surface import line_commands, options_of

ORDER = {"account": "ACC1", "symbol": "ACME", "side": "BUY", "ordType": "MARKET", "orderQty": "1000"}
FILL = {"orderId": "O1", "execId": "E1", "lastQty": "300", "lastPx": "100"}


def _create(**terms: object) -> dict[str, Any]:
    return {"type": "OrderCreateCmd", "order": {**ORDER, "orderId": "O1", "clOrdId": "C1", **terms}}


ROUTING = Place("concepts/order-lifecycle.md", "4-from-new-to-the-market-routing")


def _routing(pages: Pages, _: Known) -> list[str]:
    """Every setting with every way of handling, and the state that a new order has then."""
    told = [
        (row["`routing`"].split()[0], handling, row["After OrderCreateCmd"].split(";")[0].split(",")[0])
        for row in pages.table(ROUTING).rows
        for handling in _handlings(row["`handlInst`"])
    ]
    happens = []
    for routing in ("auto", "manual"):
        for handling in ("absent", *(member.value for member in HandlInst)):
            with Engine.open(settings={"routing": routing}) as engine:
                terms = {} if handling == "absent" else {"handlInst": handling}
                happens.append((routing, handling, str(engine.execute(_create(**terms)).state)))
    return differences("routing", told, happens)


def _handlings(cell: str) -> list[str]:
    if cell == "any":
        return ["absent", *(member.value for member in HandlInst)]
    return [part for word in words(cell) for part in word.split(" or ")]


REFUSED_QUERIES = Place("framework/query-language.md", "6-refused-queries")


def _refused_queries(pages: Pages, _: Known) -> list[str]:
    """What is refused is refused, and what was meant perhaps is not."""
    found = []
    with Engine.open() as engine:
        for row in pages.table(REFUSED_QUERIES).rows:
            (wrong,) = codes(row["Written"])
            if not _is_refused(engine, wrong):
                found.append(f"{wrong} is not refused")
            found += [f"{meant} is refused" for meant in codes(row["Meant perhaps"]) if _is_refused(engine, meant)]
    return found


def _is_refused(engine: Engine, condition: str) -> bool:
    try:
        engine.query(where=[condition])
    except Refused:
        return True
    return False


RUNS = Place("framework/task-orchestration.md", "64-three-runs-side-by-side")


def _runs(pages: Pages, _: Known) -> list[str]:
    """Three commands, and how each task of each of them ended."""
    with Engine.open() as engine:
        engine.execute(_create())
        engine.execute({"type": "OrderAcceptCmd", "orderId": "O1"})
        fill = {"type": "ExecutionCreateCmd", "commandId": "c-1", "execution": FILL}
        larger = {"type": "ExecutionCreateCmd", "execution": {**FILL, "execId": "E2", "lastQty": "701"}}
        results = [engine.execute(envelope) for envelope in (fill, fill, larger)]
    found = []
    table = pages.table(RUNS)
    for column, result in zip(table.header[1:], results, strict=True):
        told = [(row.first, row[column]) for row in table.rows if row.first in TASK_NAMES]
        found += differences(column, told, [(task.name, str(task.status)) for task in result.tasks])
    ends = [cell.split(",")[0] for row in table.rows if row.first == "`status`" for cell in row.cells[1:]]
    return [*found, *differences("end of a run", ends, [str(result.status) for result in results])]


FLOORS = Place("project/architecture.md", "5-floors")


def _floors(pages: Pages, _: Known) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    rows = pages.table(FLOORS).rows
    found = differences("contract", [row["Contract"] for row in rows], contracts)
    for row in rows:
        contract = contracts.get(row["Contract"], {})
        floors = [frozenset(name.strip() for name in layer.split("|")) for layer in contract.get("layers", ())]
        floors = floors or [frozenset(name.split(".")[-1] for name in contract.get("source_modules", ()))]
        told = [frozenset(codes(part)) for part in row["From top to bottom"].split(";")]
        found += [] if told == floors else [f"{row.first} has the floors {[sorted(floor) for floor in floors]}"]
    return found


STREAMS = Place("framework/event-store.md", "2-streams-versions-positions")


def _streams(pages: Pages, _: Known) -> list[str]:
    """Which event begins a stream of each kind, in all stories; nobody is erased in a story."""
    rows = pages.table(STREAMS).rows
    told = [(codes(row["Stream"])[0], event) for row in rows for event in row["First event"].split(" or ")]
    first = {
        (re.sub(r"-.*", "-", event.stream_id), event.type)
        for run in stories.runs()
        for step in run.steps
        for event in (step.result.events if step.result else ())
        if event.version == 1
    }
    return differences("first event of a stream", told, [*first, ("privacy", "PersonalDataErased")])


CONVERSATION = Place("concepts/quotes.md", "1-the-conversation")


def _conversation(pages: Pages, _: Known) -> list[str]:
    told = [
        (row["Command"], event)
        for row in pages.table(CONVERSATION).rows
        for event in re.findall(r"Quote[A-Z]\w+", row["Event"])
    ]
    seen = [(name, event) for name, events in stories.written_by().items() if "Quote" in name for event in events]
    return differences("event of a quote", told, seen)


ASKED_BY = Place("concepts/risk.md", "11-which-orders-are-asked")


def _asked_by(pages: Pages, _: Known) -> list[str]:
    """The limits on orders, by command; the kill switch and the pace are told in sections of their own."""
    rows = pages.table(ASKED_BY).rows
    found = []
    limits = [f"RSK-0{number}" for number in range(1, 7)]
    told = {row["Command"]: _limits(row["Asked"], limits) for row in rows}
    for name in WORKFLOWS:
        asked = {rule.id for rule in WORKFLOWS[name] if rule.id in limits}
        if name == "OrderCreateCmd":
            found += differences("limits of a client order", told.get(f"{name} of a client order", ()), asked)
        elif asked or name in told:
            found += differences(f"limits of {name}", told.get(name, ()), asked)
    child = "OrderCreateCmd of a child"
    known = {child, "OrderCreateCmd of a client order", "OrderGroupCmd", "OrderReplaceCmd", "OrderPlaceCmd"}
    found += differences("command that is asked", told, known)
    return found + differences("limits of a child", told.get(child, ()), limits[:4])


def _limits(text: str, limits: list[str]) -> list[str]:
    if text.startswith("all limits"):
        return limits
    if text.startswith("none"):
        return []
    first = text.partition(",")[0].partition(":")[0]
    named = re.findall(r"RSK-\d+", first)
    return limits[: limits.index(named[1]) + 1] + named[2:] if " to " in first else named


FOLLOWING = {
    "7-from-the-command-line": "subscribe",
    "71-every-event": "events",
}


def _following(pages: Pages, _: Known) -> list[str]:
    found = []
    for anchor, command in FOLLOWING.items():
        rows = pages.table(Place("framework/streaming.md", anchor)).rows
        told = [option.split()[0] for row in rows for option in words(row["Option"])]
        shared = {"--db", "--set", "--json", "--follow"}
        found += differences(
            f"option of {command}", told, [o for o in options_of(line_commands()[command]) if o not in shared]
        )
    return found


def _idempotency(pages: Pages, _: Known) -> list[str]:
    """Each key is used twice, with the same content and with other content."""
    rows = {codes(row["Key"])[0]: row for row in pages.table(IDEMPOTENCY).rows}
    found = differences("key", rows, ["commandId", "clOrdId", "orderId"])
    for key, (same, other) in _repeated().items():
        row = rows.get(key)
        told = [links(row[column]) for column in ("Same content again", "Other content")] if row else [[], []]
        found += differences(f"{key} again", [name for name, _ in told[0]], [same] if same else [])
        found += differences(f"{key} with another content", [name for name, _ in told[1]], [other])
    return found


IDEMPOTENCY = Place("framework/event-store.md", "4-idempotency")


def _repeated() -> dict[str, tuple[str, str]]:
    """Key -> the code of a repetition, empty where it is OK and a duplicate, and that of another content."""
    with Engine.open() as engine:

        def code(envelope: dict[str, Any]) -> str:
            result = engine.execute(envelope)
            return result.error.error_code if result.error else ""

        accept = {"type": "OrderAcceptCmd", "commandId": "c-1", "orderId": "O1"}
        fill = {"type": "ExecutionCreateCmd", "execution": FILL}
        for envelope in (_create(), accept, fill):
            assert engine.execute(envelope).ok
        return {
            "commandId": (code(accept), code({**accept, "orderId": "O2"})),
            "clOrdId": (code(_create()), code(_create(orderQty="999"))),
            "orderId": (code(fill), code({**fill, "execution": {**FILL, "lastQty": "1"}})),
        }


CHECKS = (
    Check("routing", _routing, (ROUTING,)),
    Check("queries that are refused", _refused_queries),
    Check("three runs", _runs, (RUNS,)),
    Check("floors", _floors, (FLOORS,)),
    Check("first events of streams", _streams, (STREAMS,)),
    Check("conversation about a quote", _conversation, (CONVERSATION,)),
    Check("limits by command", _asked_by, (ASKED_BY,)),
    Check("options of following", _following, tuple(Place("framework/streaming.md", anchor) for anchor in FOLLOWING)),
    Check("keys of idempotency", _idempotency, (IDEMPOTENCY,)),
)
