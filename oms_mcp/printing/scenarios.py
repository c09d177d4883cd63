"""Which scenarios are there? What did one do, and where does it differ from what it expects?"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from oms_mcp.printing.answers import kind_of, standing
from oms_mcp.printing.orders import order_rows
from oms_mcp.printing.terminal import Wire, clean, counted, for_people, out, table, text_of


def run(wire: Wire) -> None:
    """What a scenario did, step by step, and where it differs from what it expects."""
    console = out()
    verdict = ("passed", "bold green") if wire["passed"] else ("differs", "bold red")
    headline = Text.assemble(verdict, f"  {clean(wire['id'])}: {clean(wire['title'])}")
    if wire["passed"] and not wire["compared"]:
        headline.append(f"  ({nothing_compared(wire)})", style="yellow")
    console.print(headline, soft_wrap=True)
    if wire["steps"]:
        console.print(table((_step(step) for step in wire["steps"]), "", "did", "answer", ""))
    if wire["differences"]:
        console.print()
        differing(wire["differences"])
    if wire["orders"]:
        if not wire["differences"]:
            console.print()
        console.print(orders_at_the_end(wire["orders"]))


def nothing_compared(wire: Wire) -> str:
    """That a scenario expects nothing, and how many of its commands were refused all the same."""
    refused = sum(step["result"]["status"] != "OK" for step in wire["steps"] if "result" in step)
    told = f", and {counted(refused, 'command')} {'was' if refused == 1 else 'were'} refused" if refused else ""
    return f"nothing was compared{told}"


def orders_at_the_end(rows: Sequence[Wire]) -> Table:
    """The orders that a scenario touched, with their quantities."""
    cells, columns, right = order_rows(rows)
    done = len(columns) - 2
    wide = [[*row[:done], each.get("leavesQty", ""), *row[done:]] for row, each in zip(cells, rows, strict=True)]
    heads = (*columns[:done], "leavesQty", *columns[done:])
    return table(wide, *heads, title="orders at the end", right=("leavesQty", *right))


def differing(differences: Sequence[Wire], *, explained: bool = True) -> None:
    """Where something came otherwise; nothing where all came true. Explained, with what the engine said about it."""
    if not differences:
        return
    console = out()
    console.print(_differences(differences))
    for found in differences:
        if explained and "note" in found:
            rule = f" ({found['rule']})" if "rule" in found else ""
            console.print(Text(f"{found['place']}: {for_people(clean(found['note']))}{rule}", style="dim"))
    console.print()


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
    return [step["place"], did, answer, text_of("differs", "red") if step["differences"] else ""]


def _answer(result: Wire) -> str:
    if result["status"] != "OK":
        return f"refused {result['error']['errorCode']}"
    return standing(result) + (" (again)" if result["duplicate"] else "")


def _differences(differences: Sequence[Wire]) -> Table:
    rows: list[list[object]] = []
    for found in differences:
        place = f"{found['place']}, line {found['line']}"
        expected, actual = (told(found, side) for side in ("expected", "actual"))
        rows.append([place, found["field"], text_of(expected, "green"), text_of(actual, "red")])
    return table(rows, "where", "field", "expected", "actual")


def told(found: Wire, side: str) -> str:
    """A side of a difference; what is absent and what is blank are told apart."""
    if side not in found:
        return "nothing"
    return clean(found[side]) if str(found[side]).strip() else f'"{clean(found[side])}"'


def runs(count: int, failed: int) -> None:
    """How a series of scenarios ended."""
    style = "red" if failed else "green"
    out().print(Text(f"{count - failed} of {count} scenarios passed", style=style))


def listed(found: Sequence[Wire], every: int, near: Sequence[str], *, grouped: bool) -> None:
    """Scenarios that were found among all, and how one is played; where there is none, words that would find some."""
    console = out()
    if not found:
        console.print(Text("no scenario is about that"))
        if near:
            console.print(Text(f"words that would find some: {', '.join(near)}"))
        console.print(Text("oms scenarios lists all of them", style="dim"))
        return
    if grouped:
        _by_document(found)
    else:
        _one_by_one(found)
    told = counted(len(found), "scenario") + (f" of {every}" if len(found) < every else "")
    console.print(Text(f"{told}; oms simulate {clean(found[0]['id'])} plays one", style="dim"), soft_wrap=True)


def _by_document(found: Sequence[Wire]) -> None:
    """Each document with its scenarios, a line each."""
    console = out()
    for document, rows in groupby(found, key=lambda row: row["reference"].partition("#")[0]):
        console.print(Text(clean(document), style="bold"))
        console.print(Padding(_names(rows), (0, 0, 1, _INDENT)))


def _names(rows: Iterable[Wire]) -> Table:
    made = table(([row["id"], row["title"]] for row in rows), "id", "title", room=out().width - _INDENT)
    made.show_header = False
    return made


_INDENT = 2


def _one_by_one(found: Sequence[Wire]) -> None:
    """Each scenario with what happens in it, and the section that explains it."""
    console = out()
    for row in found:
        console.print(Text.assemble((clean(row["id"]), "bold"), f"  {clean(row['title'])}"))
        steps = counted(row["given"] + row["steps"], "step")
        console.print(Text(f"  {', '.join([*row['kinds'], steps])}", style="dim"), soft_wrap=True)
        console.print(Text(f"  oms kb read {clean(row['section'])}", style="cyan"), soft_wrap=True)
