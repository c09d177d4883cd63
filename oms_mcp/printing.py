"""How do answers look to a person at a terminal? Tables that fit 80 columns, plain text when they are piped on.

Texts of callers and venues are printed as text: never as markup, and never as control characters of the terminal.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

Wire = Mapping[str, Any]

_PIPED_WIDTH = 1_000
_PANEL_WIDTH = 80
_FRAME = 4
_MAX_PANELS = 5
_MAX_VALUE = 200
_GAP = 2
_LEAST_WIDTH = 12
_NEVER_FOLDED = ("path",)
_KEPT_WHOLE = (*_NEVER_FOLDED, "orderId", "id", "command", "event", "next", "state", "status")
_LOUD = {"FAILED": "red", "REJ": "red", "LIVE": "green", "FILLED": "green", "OK": "green", "WARNING": "yellow"}
_CHANGES = ("cancelState", "orderQty", "cumQty", "leavesQty", "avgPx")


_FOR_PEOPLE = {
    "get_order and include=executions": "oms show",
    "search_orders": "oms query",
    "check_transitions": "oms check",
    "get_order": "oms show",
    "order_history": "oms history",
    "read_kb": "oms kb read",
    "search_kb": "oms kb search",
}
"""Tools that messages of the engine name -> the command that does it here."""

_QUOTED_OR_TOOL = re.compile(rf'"(?:[^"\\]|\\.)*"|\b(?:{"|".join(_FOR_PEOPLE)})\b')


def for_people(message: str) -> str:
    """A message of the engine with commands in place of tools; what is quoted in it stays as it is."""
    return _QUOTED_OR_TOOL.sub(lambda found: _FOR_PEOPLE.get(found[0], found[0]), message)


def counted(number: int, name: str) -> str:
    """1 order, 2 orders."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def out() -> Console:
    """Where answers go."""
    return _console(sys.stdout)


def err() -> Console:
    """Where errors, notes and progress go."""
    return _console(sys.stderr)


def _console(file: IO[str]) -> Console:
    console = _Plain(file=file, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _PIPED_WIDTH
    return console


class _Plain(Console):
    """A console whose lines end where their text ends, unless they are drawn at a terminal."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as rich's
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def print_json(wire: object) -> None:
    """One JSON document on standard output."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(wire, ensure_ascii=not unicode, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")  # half a character becomes its JSON escape


def clean(value: object) -> str:
    """A value as text that a terminal cannot misread: what cannot be printed is escaped."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _text(value: object, style: str = "") -> Text:
    shown = "" if value is None else clean(value)
    return Text(shown, style=style or _LOUD.get(shown, ""), overflow="fold")


def table(
    rows: Iterable[Sequence[object]], *columns: str, title: str = "", right: Sequence[str] = (), room: int = 0
) -> Table:
    """A table of texts, at most as wide as the room (the terminal); nothing is cut off, ids and numbers break last."""
    cells = [[cell if isinstance(cell, Text) else _text(cell) for cell in row] for row in rows]
    made = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    made.title, made.title_justify = title or None, "left"
    for name, width in zip(columns, _widths(cells, columns, right, room or out().width), strict=True):
        made.add_column(name, justify="right" if name in right else "left", overflow="fold", width=width)
    for row in cells:
        made.add_row(*row)
    return made


def _widths(cells: Sequence[Sequence[Text]], columns: Sequence[str], right: Sequence[str], room: int) -> list[int]:
    """Column widths that fit the room: sentences give way first, then headings, then everything but a path."""
    longest = [max((row[n].cell_len for row in cells), default=0) for n in range(len(columns))]
    widths = [max(length, len(name)) for length, name in zip(longest, columns, strict=True)]
    words = [max(map(len, name.split()), default=0) for name in columns]
    floors = [
        max(length, word) if name in _KEPT_WHOLE or name in right else min(width, _LEAST_WIDTH)
        for length, width, word, name in zip(longest, widths, words, columns, strict=True)
    ]
    excess = sum(widths) + _GAP * (len(widths) - 1) - room
    least_of_all = floors if {*columns} & {*_NEVER_FOLDED} else [1] * len(widths)
    for floor in (floors, least_of_all):
        while excess > 0 and any(width > least for width, least in zip(widths, floor, strict=True)):
            widest = max(range(len(widths)), key=lambda n: (widths[n] > floor[n], widths[n]))
            widths[widest] -= 1
            excess -= 1
    return widths


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one pair per line; pairs without a value are left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], ()):
            made.add_row(name, value if isinstance(value, Text) else _text(value))
    return made


def note(message: str) -> None:
    """Something a person should know beside the answer."""
    err().print(Text(f"note: {message}", style="dim"))


def say(message: str) -> None:
    """One sentence that is the answer."""
    out().print(Text(clean(message)), soft_wrap=True)


def complaint(title: str, message: str) -> None:
    """One red panel about what was typed."""
    _panel(err(), title, [Text(clean(for_people(message)), overflow="fold")])


def _panel(console: Console, title: str, lines: Sequence[RenderableType]) -> None:
    width = min(_PANEL_WIDTH, console.width)
    console.print(Panel(Group(*lines), title=Text(title), title_align="left", border_style="red", width=width))


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
    body: list[RenderableType] = [_text(for_people(error["detail"]))]
    if len(violations) > 1:
        rows = ([found["ruleId"], found["field"], for_people(found["message"])] for found in violations)
        room = min(_PANEL_WIDTH, console.width) - _FRAME
        body = [Text(f"{len(violations)} rules are broken"), table(rows, "rule", "field", "what", room=room)]
    _panel(console, f"refused: {error['errorCode']} {error['title']}", [*body, facts(pairs)])
    cited = dict.fromkeys([error["citation"], *(violation["citation"] for violation in violations)])
    for citation in cited:
        console.print(Text(f"  oms kb read {citation}", style="cyan"), soft_wrap=True)


def command(kind: object, wire: Wire, console: Console) -> None:
    """What one command did."""
    if wire["status"] != "OK":
        problem(wire["error"], console)
        return
    after, before = wire.get("after", {}), wire.get("before", {})
    old = before.get("state", "none")
    moved = after.get("state", "") if old == after.get("state") else f"{old} -> {after.get('state')}"
    said = "dry run, nothing stored" if wire.get("dryRun") else "again" if wire["duplicate"] else "ok"
    headline = Text.assemble((f"{said}  ", "bold green"), (clean(kind), "bold"), "  ", clean(wire.get("id", "")))
    if wire.get("orderId") != wire.get("id"):
        headline.append(f" on order {clean(wire.get('orderId'))}")
    console.print(headline, soft_wrap=True)
    events = ", ".join(f"{event['type']} v{event['version']}" for event in wire["events"])
    following = ", ".join(f"{state['to']} ({state['command']})" for state in wire.get("nextStates", []))
    changes = _changes(before, after)
    warnings = [task["message"] for task in wire["tasks"] if task["status"] == "WARNING"]
    console.print(
        facts(
            [
                ("  state", Text(moved, style=_LOUD.get(str(after.get("state")), ""))),
                ("  changed", changes),
                ("  version", wire.get("version")),
                ("  events", events if not wire["duplicate"] else f"none written; the first time: {events}"),
                ("  warning", "; ".join(warnings)),
                ("  next", following or "nothing follows"),
            ]
        )
    )


def _changes(before: Wire, after: Wire) -> str:
    changed = [(name, before.get(name), after.get(name)) for name in _CHANGES if before.get(name) != after.get(name)]
    if not before:
        return ", ".join(f"{name} {new}" for name, _, new in changed if new not in (None, "0"))
    return ", ".join(f"{name} {old or 'none'} -> {new or 'none'}" for name, old, new in changed)


def batch(sent: Sequence[object], wire: Wire) -> None:
    """What a batch did: a line per command, then why the refused ones were refused."""
    console = out()
    results = wire["results"]
    rows = [
        [number, kind_of(envelope), result["id"], _verdict(result)]
        for number, (envelope, result) in enumerate(zip(sent, results, strict=False), 1)
    ]
    console.print(table(rows, "#", "command", "id", "result", right=("#",)))
    refused = [(number, result) for number, result in enumerate(results, 1) if result["status"] != "OK"]
    for number, result in refused[:_MAX_PANELS]:
        console.print(Text(f"command {number}"))
        problem(result["error"], console)
    if len(refused) > _MAX_PANELS:
        console.print(Text(f"{len(refused) - _MAX_PANELS} more were refused; --json tells each reason"))
    summary = f"{wire['ok']} ok, {wire['failed']} refused"
    if wire["notRun"]:
        summary += f", {len(wire['notRun'])} not run"
    if wire.get("rolledBack"):
        summary += "; everything was taken back"
    elif any(result.get("dryRun") for result in results):
        summary += "; dry run, nothing stored"
    console.print(Text(summary, style="red" if wire["failed"] else "green"))


def kind_of(envelope: object) -> str:
    """The type an envelope names."""
    return str(envelope.get("type", ""))[:64] if isinstance(envelope, Mapping) else ""


def _verdict(result: Wire) -> Text:
    if result["status"] != "OK":
        return _text(result["error"]["errorCode"], "red")
    if result.get("rolledBack"):
        return _text("taken back", "yellow")
    return _text(f"{result['state']} v{result['version']}{' again' if result['duplicate'] else ''}", "green")


def page(entity: str, wire: Wire) -> None:
    """One page of a query."""
    console = out()
    rows, columns, right = _ROWS[entity](wire["content"])
    if rows:
        console.print(table(rows, *columns, right=right))
    for warning in wire["warnings"]:
        note(warning)
    at = wire["page"]
    found = at["totalElements"]
    shown = f"{found} found" if at["totalPages"] <= 1 else f"{found} found, page {at['number']} of {at['totalPages']}"
    if found and not rows:
        shown = f"{found} found, none on page {at['number']}: the last page is {at['totalPages'] - 1}"
    more = f"; --page {at['number'] + 1} shows more" if at["number"] + 1 < at["totalPages"] else ""
    console.print(Text(f"{shown} (pages count from 0){more}" if at["totalPages"] > 1 else shown, style="dim"))


_Rows = tuple[list[list[object]], tuple[str, ...], tuple[str, ...]]


def _orders(rows: Sequence[Wire]) -> _Rows:
    return (
        [[row["orderId"], _terms(row), _state(row), row["cumQty"], row["avgPx"]] for row in rows],
        ("orderId", "order", "state", "cumQty", "avgPx"),
        ("cumQty", "avgPx"),
    )


def _terms(row: Wire) -> str:
    price = f" {row['price']}" if "price" in row else ""
    stop = f" stop {row['stopPx']}" if "stopPx" in row else ""
    return f"{row['side']} {row['orderQty']} {row['symbol']} {row['ordType']}{price}{stop}"


def _state(row: Wire) -> Text:
    pending = row.get("cancelState")
    state = _text(row["state"])
    if pending and pending != row["state"]:
        state.append(f" ({pending})", style="yellow")
    return state


def _executions(rows: Sequence[Wire]) -> _Rows:
    return (
        [[row["execId"], row["orderId"], row["lastQty"], row["lastPx"], row["status"], row["cumQty"]] for row in rows],
        ("execId", "orderId", "lastQty", "lastPx", "status", "cumQty then"),
        ("lastQty", "lastPx", "cumQty then"),
    )


def _events(rows: Sequence[Wire]) -> _Rows:
    return (
        [
            [row["position"], row["streamId"].removeprefix("order-"), row["version"], row["type"], row["actor"]]
            for row in rows
        ],
        ("position", "orderId", "version", "event", "actor"),
        ("position", "version"),
    )


_ROWS = {"order": _orders, "execution": _executions, "event": _events}


def order(wire: Wire) -> None:
    """One order with its executions and what can follow."""
    console = out()
    lists = {"executions", "events", "nextStates"}
    first = ("orderId", "clOrdId", "account", "symbol", "side", "ordType", "orderQty", "price", "state", "cancelState")
    then = ("cumQty", "leavesQty", "avgPx")
    rest = [name for name in wire if name not in {*lists, *first, *then}]
    console.print(facts((name, wire.get(name)) for name in (*first, *then, *rest)))
    console.print()
    if wire["executions"]:
        rows, columns, right = _executions(wire["executions"])
        kept = [column for column in columns if column != "orderId"]
        cells = [[row[0], *row[2:]] for row in rows]
        console.print(table(cells, *kept, title="executions", right=right))
        console.print()
    console.print(next_states(wire["nextStates"]))


def next_states(states: Sequence[Wire]) -> RenderableType:
    """What can follow a state."""
    if not states:
        return Text("nothing follows")
    rows = [
        [state["to"], state["command"] + (" (correction)" if state["correction"] else ""), state["why"]]
        for state in states
    ]
    return table(rows, "next", "command", "why")


def history(wire: Wire) -> None:
    """Events in order, each with what it says."""
    console = out()
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(justify="right", style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for event in wire["events"]:
        told = Text.assemble(
            (event["type"], "bold"), (f"  {event['recordedAt']}  {clean(event['actor'])}", "dim"), overflow="fold"
        )
        if said := _facts_of(event["payload"]):
            told.append(f"\n{said}")
        made.add_row(f"v{event['version']}", told)
    console.print(made)
    if "next" in wire:
        console.print(Text(f"more follows: --after {wire['next']}", style="dim"))


def _facts_of(payload: Wire) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in payload.items() if name not in _KNOWN_FACTS)


_KNOWN_FACTS = {"orderId", "rootOrderId", "leg", "role", "assetClass", "sessionId"}


def _short(value: object) -> str:
    text = clean(value)
    return text if len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + "..."


def check(wire: Wire) -> None:
    """Whether a path is possible, how far it gets, and what can follow."""
    console = out()
    path = " -> ".join(wire["path"])
    if wire["valid"]:
        console.print(Text.assemble(("possible", "bold green"), f"  {path}" if path else "  an order begins as NEW"))
    else:
        console.print(Text.assemble(("not possible", "bold red"), "  ", for_people(wire["errorMessage"])))
    console.print(Text(f"profile {wire['profile']}", style="dim"))
    console.print(next_states(wire["nextStates"]))


def run(wire: Wire) -> None:
    """What a scenario did, step by step, and where it differs from what it expects."""
    console = out()
    verdict = ("passed", "bold green") if wire["passed"] else ("differs", "bold red")
    headline = Text.assemble(verdict, f"  {clean(wire['id'])}: {clean(wire['title'])}")
    if wire["passed"] and not wire["compared"]:
        headline.append("  (nothing was compared)", style="yellow")
    console.print(headline, soft_wrap=True)
    if wire["steps"]:
        console.print(table((_step(step) for step in wire["steps"]), "", "did", "answer", ""))
    if wire["differences"]:
        console.print()
        console.print(_differences(wire["differences"]))
        for found in wire["differences"]:
            if "note" in found:
                console.print(Text(f"{found['place']}: {for_people(clean(found['note']))}", style="dim"))
    if wire["orders"]:
        console.print()
        rows, columns, right = _orders(wire["orders"])
        console.print(table(rows, *columns, title="orders at the end", right=right))


def _step(step: Wire) -> list[object]:
    if "do" in step:
        did, answer = kind_of(step["do"]), _answer(step["result"])
    elif "query" in step:
        asked = step["query"]
        did = f"query {asked.get('entity') or 'order'} {' '.join(map(clean, asked.get('where') or []))}"
        answer = f"{step['page']['page']['totalElements']} found" if "page" in step else step["error"]["errorCode"]
    else:
        asked = step["check"]
        did = f"check {' -> '.join([asked.get('from') or 'none', *(asked.get('path') or [])])}"
        valid = step.get("checked", {}).get("valid")
        answer = step["error"]["errorCode"] if valid is None else "possible" if valid else "not possible"
    return [step["place"], did, answer, _text("differs", "red") if step["differences"] else ""]


def _answer(result: Wire) -> str:
    if result["status"] != "OK":
        return f"refused {result['error']['errorCode']}"
    again = " (again)" if result["duplicate"] else ""
    return f"{result['state']} v{result['version']}{again}"


def _differences(differences: Sequence[Wire]) -> Table:
    rows: list[list[object]] = []
    for found in differences:
        place = f"{found['place']}, line {found['line']}"
        expected, actual = (_told(found, side) for side in ("expected", "actual"))
        rows.append([place, found["field"], _text(expected, "green"), _text(actual, "red")])
    return table(rows, "where", "field", "expected", "actual")


def _told(found: Wire, side: str) -> str:
    """A side of a difference; what is absent and what is blank are told apart."""
    if side not in found:
        return "nothing"
    return clean(found[side]) if str(found[side]).strip() else f'"{clean(found[side])}"'


def runs(count: int, failed: int) -> None:
    """How a series of scenarios ended."""
    style = "red" if failed else "green"
    out().print(Text(f"{count - failed} of {count} scenarios passed", style=style))


def hits(wire: Wire) -> None:
    """What a search of the knowledge base found."""
    console = out()
    if wire.get("note"):
        note(wire["note"])
    if not wire["hits"]:
        console.print(Text("nothing found; use other words"))
    for number, hit in enumerate(wire["hits"], 1):
        console.print(Text.assemble((f"{number}. ", "bold"), (hit["breadcrumb"], "bold")))
        console.print(Text(f"   oms kb read {hit['citation']}", style="cyan"), soft_wrap=True)
        console.print(_indented(hit["excerpt"]), width=min(_PANEL_WIDTH, console.width))


def _indented(text: str) -> Padding:
    joined = Text(" ".join(clean(line) for line in text.splitlines()), style="dim", overflow="fold")
    return Padding(joined, (0, 0, 0, 3))


def reading(wire: Wire) -> None:
    """A document or a section: rendered at a terminal, as it is when piped on."""
    console = out()
    if console.is_terminal:
        from rich.markdown import Markdown  # noqa: PLC0415 - loaded only where it is shown

        console.print(Markdown(wire["text"]))
    else:
        sys.stdout.write(wire["text"] + "\n")
    if "nextOffset" in wire:
        note(f"the text goes on: --offset {wire['nextOffset']}")


def overview(wire: Wire) -> None:
    """All documents of the knowledge base."""
    console = out()
    rows = [[each["path"], each["title"], each["status"], each["sections"]] for each in wire["documents"]]
    made = table(rows, "path", "title", "status", "sections", right=("sections",))
    console.width = max(console.width, sum((column.width or 0) + _GAP for column in made.columns))
    console.print(made, crop=False)


def doctor(wire: Wire) -> None:
    """What was looked at and how it is."""
    console = out()
    styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
    rows: list[list[object]] = []
    for found in wire["checks"]:
        rows.append([_text(found["status"], styles[found["status"]]), found["name"], found["detail"]])
        if "remedy" in found:
            rows.append(["", "", _text(f"-> {found['remedy']}", "yellow")])
    console.print(table(rows, "", "what", "how it is"))
    console.print(Text("all well", style="green") if wire["ok"] else Text("problems found", style="bold red"))


@contextmanager
def progress(what: str) -> Iterator[Any]:
    """A bar on standard error while something takes its time; yields the function to call with (done, all).

    Where standard error is no terminal, one line says that it has begun.
    """
    console = err()
    if not console.is_terminal:
        begun: list[str] = []

        def tell(_done: int, _total: int) -> None:
            if not begun:
                begun.append(what)
                note(f"{what} ...")

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign of life on standard error while something takes its time; nothing when it is piped on."""
    console = err()
    with console.status(what) if console.is_terminal else nullcontext():
        yield
