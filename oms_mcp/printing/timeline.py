"""How does a scenario look while it is played? A moment for each step: when, what was done, what it moved."""

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from oms_engine.simulation.run import id_field_of
from oms_mcp.printing import scenarios
from oms_mcp.printing.answers import kind_of, warnings
from oms_mcp.printing.terminal import GAP, LOUD, Wire, clean, counted, for_people, out, value_of

_LONGEST = 120
"""Characters of a value that are shown."""

_LONGEST_SENTENCE = 300
"""Characters of what the engine said that are shown."""

_MOST_IDS = 20
"""Ids that a question found and that are shown."""

_QUANTITIES = {"orderQty": "order", "leavesQty": "leaves", "cumQty": "cum", "avgPx": "avg"}
"""Quantity of an order -> what it is called here."""

_ENDED = {
    "SUCCESS": "succeeded",
    "SKIPPED": "skipped",
    "WARNING": "warned",
    "FAILED": "failed",
    "NOT_RUN": "not run",
}
"""How a task ends -> how that is said; those that failed or warned are named."""

_NAMED = ("FAILED", "WARNING")
_TIME = slice(11, 23)
_DAY = slice(0, 10)


_WIDTHS = (12, 8)
"""Columns of the time and of the place of a step; what follows has the rest."""


class Timeline:
    """A scenario that is told while it is played; begins with what is going to be played.

    Args:
        scenario: Its id, title, source, clock and settings.
        where: What it is played on, such as `in memory`.
    """

    def __init__(self, scenario: Wire, where: str) -> None:
        self._day = scenario["clock"][_DAY]
        self._told = 0
        console = out()
        console.print(Text.assemble((clean(scenario["id"]), "bold"), f"  {clean(scenario['title'])}"))
        told = [f"from {clean(scenario['source'])}"] if scenario["source"] else []
        told += [where, *([f"{self._day} UTC"] if self._day else [])]
        if scenario.get("settings"):
            told.append(f"settings {value_of(scenario['settings'])}")
        console.print(Text(", ".join(told), style="dim"))
        console.print()

    def moment(self, step: Wire) -> None:
        """One step, as soon as it was taken; a new day is told before it."""
        day = step["at"][_DAY]
        if day != self._day:
            out().print(Text(f"{day} UTC", style="dim"))
            self._day = day
        console = out()
        room = console.width - sum(_WIDTHS) - GAP * len(_WIDTHS)
        made = Table.grid(padding=(0, GAP, 0, 0))
        for width in _WIDTHS:
            made.add_column(style="dim", no_wrap=True, min_width=width)
        made.add_column(overflow="fold")
        made.add_row(step["at"][_TIME], step["place"], Text("\n").join(_lines(step, max(room, _NARROW))))
        console.print(made)
        self._told += 1

    def ending(self, run: Wire, *, not_taken: int = 0) -> None:
        """The orders as they stand at the end, what differs, and the verdict.

        Args:
            run: What the scenario did.
            not_taken: Steps that would have said nothing, since the scene could not be set.
        """
        console = out()
        if not_taken:
            console.print(Text(f"the scene could not be set; {counted(not_taken, 'step')} not taken", style="yellow"))
        console.print()
        if run["orders"]:
            console.print(scenarios.orders_at_the_end(run["orders"]))
            console.print()
        scenarios.differing(run["differences"], explained=False)
        console.print(_verdict(run))

    def stopped(self, total: int) -> None:
        """The scenario was left before its end."""
        out().print(Text(f"stopped after {self._told} of {counted(total, 'step')}; the end was not compared"))


def whole(run: Wire, where: str) -> None:
    """All steps of a scenario that was run."""
    begun = run["steps"][0]["at"] if run["steps"] else ""
    timeline = Timeline({**run, "clock": begun}, where)
    for step in run["steps"]:
        timeline.moment(step)
    timeline.ending(run)
    out().print()


_NARROW = 20


def _verdict(run: Wire) -> Text:
    if not run["passed"]:
        return Text(f"differs: {counted(len(run['differences']), 'expectation')} did not come true", style="bold red")
    if run["compared"]:
        return Text(f"passed: {counted(run['compared'], 'value')} compared", style="bold green")
    return Text(f"passed, but {scenarios.nothing_compared(run)}: it expects nothing", style="yellow")


def _lines(step: Wire, room: int) -> Iterator[Text]:
    if "do" in step:
        asked = {name: part for name, part in step["do"].items() if name != "type"}
        yield _packed(Text(kind_of(step["do"]) or "no command", style="bold"), [*_asked(asked)], room)
        yield from _done(step, room)
    elif "query" in step:
        yield _packed(Text("query", style="bold"), [*_asked(step["query"])], room)
        yield from _found(step, room)
    else:
        yield _packed(Text("check", style="bold"), [*_asked(step["check"])], room)
        yield from _checked(step)
    for found in step["differences"]:
        yield _differs(found)


def _packed(head: Text, pieces: Sequence[str], room: int) -> Text:
    """A head and what belongs to it, as many pieces on a line as fit, so that no piece is broken without need."""
    told, length = head, head.cell_len
    for number, piece in enumerate(pieces):
        comma = "," if number + 1 < len(pieces) else ""
        gap = " " if number else "  "
        if number and length + cell_len(piece) + len(gap) + 1 > room:
            gap = f"\n{_INDENT}"
            length = 0
        told.append(f"{gap}{piece}{comma}")
        length += cell_len(piece) + len(gap) + 1
    return told


_INDENT = "        "


def _asked(asked: Mapping[str, object]) -> Iterator[str]:
    """Names and values; those of a record within an envelope stand beside the others."""
    for name, value in asked.items():
        if isinstance(value, Mapping):
            yield from _asked(value)
        elif value is not None:
            told = value_of(value)
            yield f"{clean(name)} {told if len(told) <= _LONGEST else f'{told[:_LONGEST]}...'}"


def _done(step: Wire, room: int) -> Iterator[Text]:
    result = step["result"]
    if result["status"] != "OK":
        yield from _refused(result["error"])
    elif result["duplicate"]:
        yield Text("again: it was carried out before, nothing was written", style="yellow")
    for moved in step.get("moved", ()):
        yield _moved(moved, room)
    for warning in warnings(result):
        yield Text(f"warning {for_people(clean(warning))}", style="yellow")
    if result["events"] and not result["duplicate"]:
        yield from _events(result["events"], room)
    yield Text(f"tasks   {_tasks(result['tasks'])}", style="dim")


def _events(events: Sequence[Wire], room: int) -> Iterator[Text]:
    """The events that were written, those of each stream on a line of its own, that of the main object first."""
    by_stream: dict[str, list[str]] = {}
    for event in events:
        by_stream.setdefault(event["streamId"], []).append(f"{event['type']} v{event['version']}")
    for number, (stream, types) in enumerate(by_stream.items()):
        head = f"{_INDENT}{clean(stream.removeprefix('order-'))}:" if number else "events"
        told = _packed(Text(head), types, room)
        told.stylize("dim")
        yield told


def _refused(error: Wire) -> Iterator[Text]:
    rule = next((f" by {found['ruleId']}" for found in error.get("violations", ())), "")
    yield Text(f"refused{rule}: {error['errorCode']} {error['title']}", style="red")
    yield Text(_short(for_people(clean(error["detail"]))))


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[:_LONGEST_SENTENCE]}..."


def _moved(moved: Wire, room: int) -> Text:
    before, after = moved.get("before", {}), moved["after"]
    kind = {"order": "", "quote": "quote ", "quoteRequest": "request "}[moved["kind"]]
    told = Text.assemble(f"{kind}{clean(moved['id'])}  ", _state(before, after))
    return _packed(
        told, [f"{name} {_change(before, after, key)}" for key, name in _QUANTITIES.items() if key in after], room
    )


def _state(before: Wire, after: Wire) -> Text:
    old, new = (f"{each.get('state', 'none')}{_request(each)}" for each in (before, after))
    return Text(new if old == new else f"{old} -> {new}", style=LOUD.get(after["state"], "bold"))


def _request(standing: Wire) -> str:
    """The state of a cancel or replace request that is on its way or was refused."""
    pending = standing.get("cancelState")
    return f"/{pending}" if pending and pending != standing["state"] else ""


def _change(before: Wire, after: Wire, name: str) -> str:
    old, new = before.get(name), after[name]
    return clean(new) if old in (None, new) else f"{clean(old)} -> {clean(new)}"


def _tasks(tasks: Sequence[Wire]) -> str:
    by_end: dict[str, list[str]] = {}
    for task in tasks:
        by_end.setdefault(task["status"], []).append(task["name"])
    if [*by_end] == ["SUCCESS"]:
        return f"all {len(tasks)} succeeded"
    return ", ".join(
        f"{', '.join(names) if end in _NAMED else len(names)} {_ENDED[end]}" for end, names in by_end.items()
    )


def _found(step: Wire, room: int) -> Iterator[Text]:
    if "page" not in step:
        yield from _refused(step["error"])
        return
    page = step["page"]
    field = id_field_of(step["query"])
    ids = [clean(row[field]) for row in page["content"][:_MOST_IDS]]
    told = Text(f"{counted(page['page']['totalElements'], 'row')} found")
    yield _packed(told, ids, room)


def _checked(step: Wire) -> Iterator[Text]:
    if "checked" not in step:
        yield from _refused(step["error"])
        return
    checked = step["checked"]
    yield Text("possible" if checked["valid"] else f"not possible: {clean(checked.get('errorMessage', ''))}")


def _differs(found: Wire) -> Text:
    expected, actual = (scenarios.told(found, side) for side in ("expected", "actual"))
    return Text.assemble(
        ("differs  ", "bold red"),
        f"{clean(found['field'])}: expected ",
        (expected, "green"),
        ", came ",
        (actual, "red"),
    )
