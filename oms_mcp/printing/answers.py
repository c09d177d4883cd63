"""What did a command, or a batch of them, do? And what was wrong with a call?"""

from collections.abc import Mapping, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from oms_mcp.printing.terminal import (
    FRAME,
    LOUD,
    PANEL_WIDTH,
    Wire,
    clean,
    counted,
    err,
    facts,
    for_people,
    out,
    panel,
    table,
    text_of,
    value_of,
)

_MAX_PANELS = 5
_MAX_REASONS = 20


def complaint(title: str, *messages: str) -> None:
    """One red panel about what was typed."""
    panel(err(), title, [Text(clean(message), overflow="fold") for message in messages])


def in_commands(error: Wire) -> Wire:
    """A problem as JSON, with commands in place of tools."""
    told = [{**found, "message": for_people(found["message"])} for found in error["violations"]]
    return {**error, "detail": for_people(error["detail"]), "hint": for_people(error["hint"]), "violations": told}


def problem(error: Wire, console: Console) -> None:
    """One red panel: what was wrong, by which rule, and the way out; below it the command that opens the reason."""
    violations = error.get("violations", [])
    context = error.get("context", {})
    allowed = ", ".join(context.get("validTransitions", [])) or "nothing"
    pairs: list[tuple[str, object]] = []
    if len(violations) == 1:
        pairs.append(("rule", f"{violations[0]['ruleId']} (field {violations[0]['field']})"))
    if "fromState" in context:
        pairs.append(("state", f"{context['fromState']}; possible next: {allowed}"))
    pairs.append(("way out", for_people(error["hint"])))
    body: list[RenderableType] = [text_of(for_people(error["detail"]))]
    if len(violations) > 1:
        rows = ([found["ruleId"], found["field"], for_people(found["message"])] for found in violations)
        room = min(PANEL_WIDTH, console.width) - FRAME
        body = [Text(f"{len(violations)} rules are broken"), table(rows, "rule", "field", "what", room=room)]
    panel(console, f"refused: {error['errorCode']} {error['title']}", [*body, facts(pairs)])
    cited = dict.fromkeys([error["citation"], *(violation["citation"] for violation in violations)])
    for citation in cited:
        console.print(Text(f"  oms kb read {citation}", style="cyan"), soft_wrap=True)


def command(kind: object, wire: Wire, console: Console) -> None:
    """What one command did."""
    if wire["status"] != "OK":
        problem(wire["error"], console)
        return
    after, before = wire.get("after", {}), wire.get("before", {})
    old, new = before.get("state", "none"), after.get("state", "")
    said = "dry run, nothing stored" if wire.get("dryRun") else "again" if wire["duplicate"] else "ok"
    headline = Text.assemble((f"{said}  ", "bold green"), (clean(kind), "bold"), "  ", clean(wire.get("id", "")))
    headline.append(_of_what(wire))
    console.print(headline, soft_wrap=True)
    events = events_of(wire["events"])
    following = ", ".join(f"{state['to']} ({state['command']})" for state in wire.get("nextStates", []))
    pairs: list[tuple[str, object]] = [
        ("  changed", changes(before, after)),
        ("  version", wire.get("version")),
        ("  events", events if not wire["duplicate"] else _repeated(events)),
        ("  followed", _followed(wire)),
        ("  warning", "; ".join(warnings(wire))),
    ]
    if new:
        moved = new if old == new else f"{old} -> {new}"
        pairs = [
            ("  state", Text(moved, style=LOUD.get(new, ""))),
            *pairs,
            ("  next", following or "nothing follows"),
        ]
    console.print(facts(pairs))


def _repeated(events: str) -> str:
    return f"none written; the first time: {events}" if events else "none written"


def _of_what(wire: Wire) -> str:
    """The order of an execution, or the request of a quote."""
    if wire.get("orderId", wire["id"]) != wire["id"]:
        return f" on order {clean(wire['orderId'])}"
    if "quoteId" in wire:
        return f" on request {clean(wire['quoteReqId'])}"
    return ""


def events_of(events: Sequence[Wire]) -> str:
    """The events that were written: those of the main stream, then those of each other one."""
    by_stream: dict[str, list[str]] = {}
    for event in events:
        by_stream.setdefault(event["streamId"], []).append(f"{event['type']} v{event['version']}")
    told = [
        f"{clean(stream.removeprefix('order-'))}: {', '.join(types)}" if number else ", ".join(types)
        for number, (stream, types) in enumerate(by_stream.items())
    ]
    return "; ".join(told)


def _followed(wire: Wire) -> Text | str:
    """The other orders that a command moved, a line each."""
    lines = [Text(f"{clean(moved['orderId'])}: {_movement(moved)}") for moved in wire.get("related", [])]
    if "relatedMore" in wire:
        lines.append(Text(f"and {wire['relatedMore']} more"))
    return Text("\n").join(lines) if lines else ""


def _movement(moved: Wire) -> str:
    before, after = moved["before"], moved["after"]
    if "state" not in after:
        state = []
    else:
        state = [f"{before['state']} -> {after['state']}" if "state" in before else after["state"]]
    told = changes(before, after)
    return ", ".join([*state, told] if told else state) or f"v{moved['version']}"


_NO_CHANGE = {"state", "version", "orderId", "quoteId", "quoteReqId"}
"""What is told beside the changes."""


def changes(before: Wire, after: Wire) -> str:
    """What is different after a command; of something new, what it has."""
    names = [name for name in {**after, **before} if name not in _NO_CHANGE and before.get(name) != after.get(name)]
    if not before:
        return ", ".join(f"{name} {value_of(after[name])}" for name in names if after[name] != "0")
    pairs = [f"{name} {value_of(before.get(name))} -> {value_of(after.get(name))}" for name in names]
    return ", ".join(pairs)


def batch(sent: Sequence[object], wire: Wire) -> None:
    """What a batch did: a line per command, then why the refused ones were refused."""
    console = out()
    results = wire["results"]
    rows = [
        [number, kind_of(envelope), result["id"] + _of_what(result), _verdict(result)]
        for number, (envelope, result) in enumerate(zip(sent, results, strict=False), 1)
    ]
    console.print(table(rows, "#", "command", "id", "result", right=("#",)))
    refused = [(number, result) for number, result in enumerate(results, 1) if result["status"] != "OK"]
    if len(refused) > _MAX_PANELS:
        _reasons(refused, console)
    else:
        for number, result in refused:
            console.print(Text(f"command {number}"))
            problem(result["error"], console)
    for number, result in enumerate(results, 1):
        for warning in warnings(result):
            console.print(Text(f"command {number}: warning: {clean(warning)}", style="yellow"))
    summary = f"{wire['ok']} ok, {wire['failed']} refused"
    if wire["notRun"]:
        summary += f", {len(wire['notRun'])} not run"
    if wire.get("rolledBack"):
        summary += "; everything was taken back"
    elif any(result.get("dryRun") for result in results):
        summary += "; dry run, nothing stored"
    console.print(Text(summary, style="red" if wire["failed"] else "green"))


def _reasons(refused: Sequence[tuple[int, Wire]], console: Console) -> None:
    """Why many commands were refused, a line each."""
    for number, result in refused[:_MAX_REASONS]:
        error = result["error"]
        rule = next((found["ruleId"] for found in error.get("violations", [])), error["errorCode"])
        line = f"command {number}: {rule} {clean(for_people(error['detail']))}"
        console.print(Text(line, style="red"), soft_wrap=True)
    if len(refused) > _MAX_REASONS:
        console.print(Text(f"{len(refused) - _MAX_REASONS} more were refused; --json tells each reason"))


def warnings(result: Wire) -> list[str]:
    """What a command that was carried out warned of."""
    return [task["message"] for task in result["tasks"] if task["status"] == "WARNING"]


def kind_of(envelope: object) -> str:
    """The type an envelope names."""
    return str(envelope.get("type", ""))[:64] if isinstance(envelope, Mapping) else ""


def _verdict(result: Wire) -> Text:
    if result["status"] != "OK":
        return text_of(result["error"]["errorCode"], "red")
    if result.get("rolledBack"):
        return text_of("taken back", "yellow")
    return text_of(standing(result) + (" again" if result["duplicate"] else ""), "green")


def standing(result: Wire) -> str:
    """Where the object of a command stands now, and how many other streams it moved."""
    others = len({event["streamId"] for event in result["events"]}) - 1
    state = result.get("state", "set")
    moved = f", {counted(others, 'order')} followed" if others > 0 and not result["duplicate"] else ""
    return f"{state} v{result['version']}{moved}"
