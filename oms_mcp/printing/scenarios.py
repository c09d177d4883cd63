"""What did a scenario do, and where does it differ from what it expects?"""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from oms_mcp.printing.answers import kind_of, standing
from oms_mcp.printing.orders import order_rows
from oms_mcp.printing.terminal import Wire, clean, for_people, out, table, text_of


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
        rows, columns, right = order_rows(wire["orders"])
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
    return [step["place"], did, answer, text_of("differs", "red") if step["differences"] else ""]


def _answer(result: Wire) -> str:
    if result["status"] != "OK":
        return f"refused {result['error']['errorCode']}"
    return standing(result) + (" (again)" if result["duplicate"] else "")


def _differences(differences: Sequence[Wire]) -> Table:
    rows: list[list[object]] = []
    for found in differences:
        place = f"{found['place']}, line {found['line']}"
        expected, actual = (_told(found, side) for side in ("expected", "actual"))
        rows.append([place, found["field"], text_of(expected, "green"), text_of(actual, "red")])
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
