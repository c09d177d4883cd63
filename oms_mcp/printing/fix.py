"""What became of a FIX log, and where does it say something else than the engine?"""

from collections.abc import Iterator

from rich.padding import Padding
from rich.text import Text

from oms_mcp.printing.terminal import Wire, clean, counted, for_people, out, table

_COUNTED = ("agree", "differ", "not replayed", "all")
_NUMBERS = ("messages", "line")
_MAX_TAGS = 12
_INDENTED = (0, 0, 0, 3)
_KINDS = {"notReplayed": "not replayed", "unreadable": "unreadable", "findings": "noticed"}
_VERDICTS = {
    "EQUAL": "agree",
    "DIFFERENT": "differ",
    "NOT_REPLAYED": "are not replayed",
    "UNREADABLE": "cannot be read",
}


def account(log: str, wire: Wire, *, limit: int) -> None:
    """The account of a log, with so many of its differences."""
    console = out()
    console.print(_headline(log, wire))
    console.print()
    console.print(table(map(_row, wire["types"]), "type", "message", *_COUNTED, right=_COUNTED))
    for name, title in _KINDS.items():
        if wire[name]:
            console.print()
            console.print(
                table(map(_kind, wire[name]), title, "messages", "line", "what the first one is", right=_NUMBERS)
            )
    console.print()
    for told in _sentences(wire):
        console.print(Text(told))
    for number, found in enumerate(wire["differences"][:limit], 1):
        console.print()
        _difference(number, found)
    _rest(wire, limit)


def _headline(log: str, wire: Wire) -> Text:
    different = wire["verdicts"]["DIFFERENT"]
    if not different and not wire["verdicts"]["EQUAL"]:
        return Text.assemble(
            ("nothing replayed", "bold yellow"), f"  {clean(log)}: not one message; the reasons are below"
        )
    if not different and wire["unreadable"]:
        lost = counted(wire["verdicts"]["UNREADABLE"], "message")
        return Text.assemble(
            ("agrees in part", "bold yellow"),
            f"  {clean(log)}: {lost} cannot be read; all others that were replayed say what the engine says",
        )
    if not different:
        return Text.assemble(
            ("agrees", "bold green"), f"  {clean(log)}: every message that was replayed says what the engine says"
        )
    values = counted(wire["explained"] + wire["unexplained"], "value")
    told = f"{counted(different, 'message')} with {values}, {wire['explained']} explained, {wire['unexplained']} not"
    return Text.assemble(("differs", "bold red"), f"  {clean(log)}: {told}")


def _row(row: Wire) -> list[object]:
    return [row["msgType"], row["name"], row["equal"], _loud(row["different"]), row["notReplayed"], row["total"]]


def _loud(number: int) -> Text:
    return Text(str(number), style="red" if number else "")


def _kind(kind: Wire) -> list[object]:
    return [kind["what"], kind["count"], kind["first"]["line"], kind["told"] if kind["told"] != kind["what"] else ""]


def _sentences(wire: Wire) -> Iterator[str]:
    """What is told beside the tables."""
    sizes = ", ".join(f"{wire['verdictSizes'][name]:,} {told}" for name, told in _VERDICTS.items())
    yield f"{wire['size']:,} bytes: {sizes}, {wire['between']:,} lie between messages"
    if wire["orders"]:
        yield "orders at the end: " + ", ".join(f"{number} {state}" for state, number in wire["orders"].items())
    for side in wire["directions"]:
        sessions = "" if side["sessions"] == 1 else f", {side['sessions']} sessions"
        missing = f", {side['missing']} missing" if side["missing"] else ""
        told = f"{clean(side['sender'])} to {clean(side['target'])}: {counted(side['messages'], 'message')}"
        yield f"{told}{sessions}{missing}"
    if tags := wire["unknownTags"]:
        more = f" and {len(tags) - _MAX_TAGS} more" if len(tags) > _MAX_TAGS else ""
        yield "unknown tags: " + ", ".join(f"{tag} ({count})" for tag, count in [*tags.items()][:_MAX_TAGS]) + more


def _difference(number: int, found: Wire) -> None:
    console = out()
    values = f"log {clean(found['log'])}, engine {clean(found['engine'])}"
    console.print(Text.assemble((f"{number}. {found['field']}", "bold"), f": {values}"))
    place = found["place"]
    sequence = f", MsgSeqNum {clean(place['msgSeqNum'])} of {clean(place['sender'])}" if "msgSeqNum" in place else ""
    order = f", order {found['orderId']}" if "orderId" in found else ""
    where = f"line {place['line']}{sequence}, ClOrdID {clean(found.get('clOrdId', 'none'))}{order}"
    console.print(Padding(Text(where, style="dim"), _INDENTED, expand=False))
    why = Text(f"{found['cause']}: {for_people(clean(found['explanation']))}")
    why.stylize("red" if found["cause"] == "UNKNOWN" else "")
    console.print(Padding(why, _INDENTED, expand=False))
    if "citation" in found:
        console.print(Text(f"   oms kb read {found['citation']}", style="dim"), soft_wrap=True)


def _rest(wire: Wire, limit: int) -> None:
    shown = min(limit, len(wire["differences"]))
    rest = wire["explained"] + wire["unexplained"] - shown
    if rest:
        out().print(
            Text(f"\nand {rest} more; --limit N shows up to 1,000, --json gives them to a program", style="dim"),
            soft_wrap=True,
        )
