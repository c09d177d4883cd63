"""How do the installation, the settings and a sweep of expired orders look?"""

from collections.abc import Sequence

from rich.text import Text

from oms_mcp.printing.orders import REQUESTS
from oms_mcp.printing.terminal import Wire, counted, facts, for_people, note, out, say, table, text_of, value_of

_MAX_VALUE = 24


def doctor(wire: Wire) -> None:
    """What was looked at and how it is."""
    console = out()
    styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
    rows: list[list[object]] = []
    for found in wire["checks"]:
        rows.append([text_of(found["status"], styles[found["status"]]), found["name"], found["detail"]])
        if "remedy" in found:
            rows.append(["", "", text_of(f"-> {found['remedy']}", "yellow")])
    console.print(table(rows, "", "what", "how it is"))
    console.print(Text("all well", style="green") if wire["ok"] else Text("problems found", style="bold red"))


def snippets(wires: Sequence[Wire]) -> None:
    """What to paste into clients: alone it can be piped on, with where it belongs told beside it."""
    console = out()
    for number, wire in enumerate(wires):
        if len(wires) == 1:
            note(f"for {wire['title']}: {wire['place']}")
        else:
            console.print(Text.assemble("\n" if number else "", (wire["title"], "bold"), f": {wire['place']}"))
        for line in wire["text"].splitlines():
            console.print(Text(line), soft_wrap=True)


def verification(wire: Wire) -> None:
    """What was found in a database, with the way out, or that all is well."""
    console = out()
    findings = wire["findings"]
    if findings:
        rows = [[found["where"], found["what"], text_of(found["remedy"], "yellow")] for found in findings]
        console.print(table(rows, "where", "what", "way out"))
    if wire["moreFindings"]:
        console.print(Text(f"and {counted(wire['moreFindings'], 'finding')} more"))
    if "chain" in wire:
        chain = wire["chain"]
        console.print(
            Text(f"hash chain from position {chain['first']} to {chain['last']}: {chain['head']}"), soft_wrap=True
        )
    if "eventsHash" in wire:
        console.print(Text(f"events hash {wire['eventsHash']}"), soft_wrap=True)
    held = ", ".join(counted(number, name.removesuffix("s")) for name, number in wire["counts"].items())
    said = f"sound: {held}" if wire["sound"] else f"{counted(len(findings) + wire['moreFindings'], 'finding')}"
    console.print(Text(said, style="green" if wire["sound"] else "bold red"), soft_wrap=True)


def settings(wire: Wire) -> None:
    """Settings with their values and meanings; those that are not as they are by default stand out."""
    rows = [
        [
            name,
            text_of(_short(setting["value"]), "bold yellow" if setting["value"] != setting["default"] else ""),
            setting["description"],
        ]
        for name, setting in wire.items()
    ]
    out().print(table(rows, "setting", "value", "meaning"))


def prices(wire: Wire) -> None:
    """The reference prices that were posted, where there are any."""
    if wire:
        out().print()
        out().print(
            table(
                [[symbol, value] for symbol, value in wire.items()], "symbol", "posted price", right=("posted price",)
            )
        )


def _short(value: object) -> str:
    text = value_of(value)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}..."


def setting(name: str, wire: Wire) -> None:
    """One setting in full."""
    default = wire["default"] if wire["default"] != wire["value"] else "the same"
    pairs: list[tuple[str, object]] = [("setting", name), ("value", value_of(wire["value"]))]
    pairs += [("default", value_of(default)), ("meaning", wire["description"])]
    if not wire["changeable"]:
        pairs.append(("note", "fixed when the engine is opened"))
    out().print(facts(pairs))


def sweep(wire: Wire) -> None:
    """What expired, what was refused and why, and which requests wait for an answer too long."""
    _list("expired", ("orderId", "in force", "open quantity"), [_expired(each) for each in wire["expired"]])
    unanswered = [[each["orderId"], each["state"], each["updatedAt"]] for each in wire["waiting"]]
    _list("waiting for the market's answer", ("orderId", "state", "waits since"), unanswered)
    reasons = [
        [each["orderId"], each["error"]["errorCode"], for_people(each["error"]["detail"])] for each in wire["refused"]
    ]
    _list("refused", ("orderId", "code", "why"), reasons)
    waiting = [
        [each["orderId"], each["state"], REQUESTS[each["cancelState"]], each["updatedAt"]] for each in wire["overdue"]
    ]
    _list("without an answer for too long", ("orderId", "state", "request", "waits since"), waiting)
    said = f"{counted(len(wire['expired']), 'order')} {'would expire' if wire['dryRun'] else 'expired'}"
    said += f", {len(wire['waiting'])} waiting" if wire["waiting"] else ""
    said += f", {len(wire['refused'])} refused, {counted(len(wire['overdue']), 'request')} overdue"
    said += "; dry run, nothing stored" if wire["dryRun"] else ""
    out().print(Text(said, style="red" if wire["refused"] else "green"))


def _expired(each: Wire) -> list[object]:
    force = " ".join(each[name] for name in ("timeInForce", "expireTime") if name in each)
    return [each["orderId"], f"{force}, with {each['followed']}" if "followed" in each else force, each["expiredQty"]]


def projections(wire: Wire) -> None:
    """How far the projections are, and what waits in them and why."""
    rows = [
        [
            each["name"],
            each["position"],
            text_of(each["behind"], "yellow" if each["behind"] else ""),
            text_of(len(each["parked"]), "bold red" if each["parked"] else ""),
            each.get("rebuiltAt"),
            "" if each["here"] else "of another program",
        ]
        for each in wire["projections"]
    ]
    heads = ("projection", "position", "behind", "waiting", "rebuilt at", "")
    out().print(table(rows, *heads, right=("position", "behind", "waiting")))
    for each in wire["projections"]:
        _waiting(each["name"], each["parked"])


def retried(wire: Wire) -> None:
    """What a retry applied, and what failed again."""
    applied, waiting = len(wire["applied"]), wire["parked"]
    said = f"{counted(applied, 'stream')} up to date again, {len(waiting)} failed again"
    out().print(Text(said if applied or waiting else "nothing waits", style="red" if waiting else "green"))
    _waiting(wire["projection"], waiting)


def _waiting(name: str, parked: Sequence[Wire]) -> None:
    if parked:
        out().print()
    rows = [[each["streamId"], each["position"], each["attempts"], each["parkedAt"], each["error"]] for each in parked]
    title = f"{name} waits with"
    _list(title, ("stream", "event", "attempts", "last tried", "error"), rows)


def erasure(wire: Wire) -> None:
    """What was destroyed, or would be, and what is left to do."""
    lost = f"{counted(wire['orders'], 'order')} and {counted(wire['quoteRequests'], 'quote request')}"
    limits = ", with the limits set for the account" if wire["settings"] else ""
    if wire["dryRun"]:
        say(f"would erase account and texts of {lost}{limits}; dry run, nothing stored")
        return
    say(f"erased account and texts of {lost}{limits}: event {wire['position']}, key {wire['keyId']} destroyed")
    if wire["messages"]:
        note(f"{counted(wire['messages'], 'message')} for other systems lost their content; see: oms outbox parked")
    if "compacted" in wire:
        say(f"compacted: {wire['compacted']['before']:,} bytes before, {wire['compacted']['after']:,} after")
    for warning in wire["warnings"]:
        note(warning)
    note("backups and exports made before still hold the values, and so may blocks that the disk has not reused")


def _list(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table under its title, where there is anything to list."""
    if rows:
        out().print(table(rows, *heads, title=title, right=("open quantity",)))
        out().print()
