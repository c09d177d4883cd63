"""Which commands list the events of all streams, and follow what happens while it happens?"""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oms_mcp.cli.root import Held, Json, Kept, app, examples, opened

if TYPE_CHECKING:
    from oms_engine import Engine, StoredEvent, StreamMessage

_SETTINGS = "settings"

_LISTED = 500
_POLL_SECONDS = 0.05

JsonLines = Annotated[bool, typer.Option("--json", help="One JSON document per line for machines.")]
Conditions = Annotated[
    list[str] | None,
    typer.Argument(metavar="CONDITION", help="field=value or field__op=value; all must hold."),
]


@app.command(
    epilog=examples(
        "oms events --db orders.db",
        "oms events --stream O1 --db orders.db",
        "oms events actor=ann recordedAt__gte=2026-01-05T00:00:00Z --json --db orders.db",
        "oms events --follow --type ExecutionCreated --db orders.db",
    )
)
def events(
    conditions: Conditions = None,
    after: Annotated[
        int | None,
        typer.Option(min=0, metavar="P", help="Begin behind this position; --follow begins with what is new."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, metavar="N", help="So many events; 500 unless --follow.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones, whoever writes them.")] = False,
    stream: Annotated[str, typer.Option(help="An orderId, a quoteReqId, or settings.")] = "",
    kind: Annotated[str, typer.Option("--type", help="Only events of this type.")] = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """List the events of all streams in the order they were stored.

    --follow goes on until Ctrl-C or --limit; with --json each event is a line.
    """
    from oms_mcp.inputs import event_type
    from oms_mcp.printing import following, terminal

    where: list[str | dict[str, Any]] = list(conditions or ())
    if stream:
        where.append(_of_stream(stream))
    if kind:
        where.append({"field": "type", "op": "in", "value": [event_type(kind)]})
    with opened(db, pairs, needed_by="events") as engine, _until_interrupted():
        last = _last(engine)
        _require_known(engine, stream, after, last)
        if follow:
            start = last if after is None else after
            for event in _followed(engine, where, start, limit):
                following.event(event.to_wire(), as_json=as_json)
            return
        wanted = limit or _LISTED
        found = _matching(engine, where, after or 0, wanted + 1)
        wire: dict[str, Any] = {"events": [event.to_wire() for event in found[:wanted]]}
        if len(found) > wanted:
            wire["next"] = found[wanted - 1].position
        if as_json:
            terminal.print_json(wire)
        else:
            following.events(wire)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Ctrl-C is how one stops listening; it is no failure."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit from None


def _require_known(engine: "Engine", stream: str, after: int | None, last: int) -> None:
    """Nothing is ever listed of a stream that there is not, or behind a position that is not reached."""
    from oms_engine import Refused
    from oms_engine.domain.catalogue import refused_value
    from oms_engine.errors import problem, shown

    if after is not None and after > last:
        told = f"--after {after} is no position of this store; give 0 (all) to {last} (what comes)"
        raise refused_value("--after", told, "OMS-VAL-005")
    if stream and stream != _SETTINGS and not engine.query(entity="event", where=[_of_stream(stream)], size=1).content:
        raise Refused(
            problem("OMS-ORDER-001", f"there is no stream {shown(stream)}: no order and no quote request is called so")
        )


def _of_stream(name: str) -> dict[str, Any]:
    return {"field": "streamId", "op": "in", "value": [name, f"order-{name}", f"quote-{name}"]}


def _last(engine: "Engine") -> int:
    found = engine.query(entity="event", size=1).content
    return found[0].position if found else 0  # type: ignore[attr-defined] # the entity is event


def _matching(engine: "Engine", where: Sequence[str | dict[str, Any]], after: int, limit: int) -> list["StoredEvent"]:
    """The next events behind a position that meet all conditions."""
    found: list[StoredEvent] = []
    while len(found) < limit:
        behind = {"field": "position", "op": "gt", "value": str(found[-1].position if found else after)}
        size = min(limit - len(found), engine.settings.max_size)
        page = engine.query(entity="event", where=[*where, behind], sort="position", size=size)
        found += page.content  # type: ignore[arg-type] # the entity is event
        if len(page.content) < size:
            break
    return found


def _followed(
    engine: "Engine", where: Sequence[str | dict[str, Any]], after: int, limit: int | None
) -> Iterator["StoredEvent"]:
    """Events behind a position as they are stored; positions grow in the order of commits, so none is passed over."""
    told = 0
    while limit is None or told < limit:
        found = _matching(engine, where, after, _LISTED if limit is None else min(limit - told, _LISTED))
        if not found:
            time.sleep(_POLL_SECONDS)
        for event in found:
            yield event
            after = event.position
        told += len(found)


@app.command(
    epilog=examples(
        "oms subscribe --db orders.db",
        "oms subscribe symbol=ACME state=LIVE --db orders.db",
        "oms subscribe --topic execution-events --no-snapshot --json --db orders.db",
        "oms subscribe --resume 1200 --json --db orders.db",
    )
)
def subscribe(
    conditions: Conditions = None,
    topic: Annotated[str, typer.Option(help="order-events, execution-events or quote-events.")] = "order-events",
    no_snapshot: Annotated[bool, typer.Option("--no-snapshot", help="Only what happens from now on.")] = False,
    resume: Annotated[
        int | None, typer.Option(min=0, metavar="P", help="Go on behind this position of an earlier time.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="So many messages, then end.")] = None,
    db: Kept = "",
    pairs: Held = None,
    as_json: JsonLines = False,
) -> None:
    """Follow orders, executions or quote requests: what matches now, then each change, until Ctrl-C.

    An object that stops matching is told once as LEAVE.
    """
    from oms_mcp.printing import following

    with opened(db, pairs, needed_by="subscribe") as engine, _until_interrupted():
        options = {"where": conditions or (), "include_snapshot": not no_snapshot, "resume_from": resume}
        for number, message in enumerate(messages(engine, topic, options), 1):
            following.message(message.to_wire(), as_json=as_json)
            if number == limit:
                break


def messages(engine: "Engine", topic: str, options: dict[str, Any]) -> Iterator["StreamMessage"]:
    """The messages of a subscription, which is resumed whenever whoever reads the output was too slow for it."""
    from oms_engine import Disconnected

    while True:
        with engine.follow(topic, **options) as subscription:
            try:
                yield from subscription
            except Disconnected as ended:
                options = {**options, "resume_from": ended.resume_from}
            else:
                return
