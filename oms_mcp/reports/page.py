"""How does the report of a simulated market become one page? With charts and tables, and nothing from outside."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from oms_mcp.printing.market import duration, size
from oms_mcp.printing.terminal import Wire, counted
from oms_mcp.reports.charts import Axis, bars, columns, even_end, line, said, stack, table
from oms_mcp.reports.style import STYLE

_MARK = '<!doctype html>\n<html lang="en" data-report="oms simulate">'
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_PERCENTILES = ("p50", "p90", "p99", "max")
_MOST_ROWS = 10
_WITHOUT_FRACTION = 100
_NOTHING = "none"

Rows = list[Sequence[object]]


def is_ours(page: Path) -> bool:
    """Is a file a page that was made here, so that a new one may take its place?"""
    try:
        with page.open("rb") as file:
            return file.read(len(_MARK)) == _MARK.encode()
    except OSError:
        return False


def page_of(wire: Wire) -> str:
    """The whole page, of the report as it is on the wire."""
    plan = wire["plan"]
    title = f"Simulated market: {plan['orders']:,} orders, seed {plan['seed']}, mix {plan['mix']}"
    parts = (
        _summary(wire, title),
        _section("Rate over the run", *_rate(wire["speed"])),
        _section("Latency of commands", *_latency(wire["speed"])),
        _section("Latency of questions", _questions(wire["speed"])),
        _section("States of orders", *_states(wire["outcome"])),
        _section("Fill ratio of client orders", *_fills(wire["outcome"]["fills"])),
        _section("Size of the store", *_size(wire)),
        _section("What went wrong", *_wrong(wire["outcome"])),
    )
    return (
        f'{_MARK}\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{said(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(title: str, first: str, second: str = "") -> str:
    content = f'<div class="beside"><div>{first}</div><div>{second}</div></div>' if second else first
    return f"<section>\n<h2>{said(title)}</h2>\n{content}\n</section>"


def _summary(wire: Wire, title: str) -> str:
    outcome, speed, store = wire["outcome"], wire["speed"], wire["store"]
    whole = f"{wire['sessions']:,} of {counted(wire['sessionsPlanned'], 'session')}"
    cards = {
        "orders": f"{outcome['orders']:,}",
        "commands": f"{outcome['commands']:,}",
        "commands per second": f"{speed['commandsPerSecond']:,.0f}",
        "99 % of commands within": duration(speed["allCommands"]["p99"]),
        "quantity executed": f"{outcome['fills']['quantityRatio']:.1%}",
        "store": size(store["bytes"]),
        "memory at most": size(speed["memoryBytes"]),
    }
    shown = "".join(f"<div><dt>{said(name)}</dt><dd>{said(value)}</dd></div>" for name, value in cards.items())
    return (
        f"<header>\n<h1>{said(title)}</h1>\n"
        f'<p class="muted">Faults {said(wire["plan"]["faults"])}; {whole}; {outcome["executions"]:,} executions, '
        f"{outcome['events']:,} events. The seed decides all of this but the speed.</p>\n"
        f'<dl class="cards">{shown}</dl>\n<p>Events hash <code>{said(outcome["eventsHash"])}</code></p>\n</header>'
    )


def _rate(speed: Wire) -> tuple[str, str]:
    samples = speed["samples"]
    up = Axis(even_end(max((each["commandsPerSecond"] for each in samples), default=0)), _whole)
    along = Axis(speed["seconds"], _seconds)
    told = f"{speed['commandsPerSecond']:,.0f} commands and {speed['ordersPerSecond']:,.0f} orders per second"
    chart = line(
        [(each["seconds"], each["commandsPerSecond"]) for each in samples],
        along,
        up,
        f"Commands per second over {_seconds(speed['seconds'])} of sessions: {told} on the whole.",
    )
    rows = [
        [_seconds(each["seconds"]), f"{each['commandsPerSecond']:,.0f}", f"{each['orders']:,}"]
        for each in _some(samples)
    ]
    return chart, table("Commands in a second, and orders sent by then", ("after", "commands/s", "orders"), rows)


def _latency(speed: Wire) -> tuple[str, str]:
    buckets = speed["histogram"]
    ends = [duration(bucket["upTo"]) for bucket in buckets]
    counts = [bucket["count"] for bucket in buckets]
    all_of_them = speed["allCommands"]
    chart = columns(
        counts,
        [f"≤ {end}" for end in ends],
        Axis(even_end(max(counts, default=0)), _whole),
        f"Commands by how long they took: half within {duration(all_of_them['p50'])}, "
        f"99 % within {duration(all_of_them['p99'])}. Each column covers twice the time of the one before.",
    )
    total = sum(counts) or 1
    shares = table(
        "Commands by duration",
        ("at most", "commands", "share"),
        [[end, f"{count:,}", f"{count / total:.2%}"] for end, count in zip(ends, counts, strict=True)],
    )
    by_type = {name.removesuffix("Cmd"): each for name, each in speed["latencies"].items()} | {"all": all_of_them}
    if speed["commits"]["count"]:
        by_type["commit of a session"] = speed["commits"]
    return chart + _percentiles("By type of command, without the commit that they share", by_type), shares


def _questions(speed: Wire) -> str:
    asked = {name: each for name, each in speed["queries"].items() if each["count"]}
    return _percentiles("Asked between sessions", asked) if asked else "<p>No questions were asked.</p>"


def _percentiles(caption: str, latencies: Mapping[str, Wire]) -> str:
    rows = [
        [name, f"{each['count']:,}", *(duration(each[part]) for part in _PERCENTILES)]
        for name, each in latencies.items()
    ]
    return table(caption, ("", "times", *_PERCENTILES), rows)


def _states(outcome: Wire) -> tuple[str, str]:
    parts = list(outcome["states"].items())
    chart = bars(parts, f"{outcome['orders']:,} orders by the state they are in.")
    sent = outcome["commandsByType"].items()
    rows = [[name.removesuffix("Cmd"), f"{number:,}"] for name, number in sent]
    led = table("Commands that led there", ("command", "sent"), rows)
    return chart + led, table("Orders by state", ("state", "orders", "share"), _with_shares(parts))


def _with_shares(parts: Iterable[tuple[str, int]]) -> Rows:
    parts = list(parts)
    whole = sum(number for _, number in parts) or 1
    return [[name, f"{number:,}", f"{number / whole:.1%}"] for name, number in parts]


def _fills(fills: Wire) -> tuple[str, str]:
    parts = (("done", "filled", "filled"), ("some", "partly filled", "partly"), ("none", "not filled", "unfilled"))
    chart = stack(
        [(pattern, name, fills[key]) for pattern, name, key in parts],
        f"{fills['orders']:,} orders of clients; {fills['filledRatio']:.1%} of them were filled.",
    )
    ordered, executed = int(fills["orderedQty"]), int(fills["executedQty"])
    rows: Rows = [
        *_with_shares((name, fills[key]) for _, name, key in parts),
        ["quantity ordered", f"{ordered:,}", "100.0%"],
        ["quantity executed", f"{executed:,}", f"{fills['quantityRatio']:.1%}"],
    ]
    return chart, table("Orders of clients, and their quantity", ("", "number", "share"), rows)


def _size(wire: Wire) -> tuple[str, str]:
    samples, store = wire["speed"]["samples"], wire["store"]
    up = Axis(even_end(max((each["storeBytes"] for each in samples), default=0)), size)
    along = Axis(max((each["orders"] for each in samples), default=1), lambda value: f"{value:,.0f} orders")
    chart = line(
        [(each["orders"], each["storeBytes"]) for each in samples],
        along,
        up,
        f"Size of the store while orders came in this run; {size(store['bytes'])} at the end.",
    )
    rows: Rows = [
        ["whole store", size(store["bytes"])],
        *([f"per {name.lower()}", size(store[f"bytesPer{name}"])] for name in ("Command", "Order", "Event")),
        *([f"after {each['orders']:,} orders", size(each["storeBytes"])] for each in _some(samples)),
    ]
    return chart, table("Size of the store", ("", "size"), rows)


def _wrong(outcome: Wire) -> tuple[str, str]:
    refused: Rows = [
        [each["command"].removesuffix("Cmd"), each["errorCode"], f"{each['count']:,}"] for each in outcome["refusals"]
    ]
    faults: Rows = [[name, f"{number:,}"] for name, number in outcome["faults"].items()]
    told = outcome["reconciled"]
    problems = [
        *told["problems"],
        *([f"a book was crossed {told['crossedBooks']} times"] if told["crossedBooks"] else []),
    ]
    agreed = f"<p>Venue and engine agree, compared order by order in {counted(told['sessions'], 'session')}.</p>"
    listed = "".join(f'<p class="problem">Problem: {said(each)}</p>' for each in problems)
    return (
        (listed or agreed)
        + table("Commands that the engine refused", ("command", "code", "times"), refused or [[_NOTHING, "", ""]]),
        table("Faults of the venue, which the seed decides", ("fault", "times"), faults or [[_NOTHING, ""]]),
    )


def _some(samples: Sequence[Wire]) -> list[Wire]:
    """A few of the samples, evenly spread, the last one with them."""
    every = -(-len(samples) // _MOST_ROWS) or 1
    return list(samples[::-1][::every])[::-1]


def _seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= _WITHOUT_FRACTION else f"{value:.2f} s"


def _whole(value: float) -> str:
    return f"{value:,.0f}"
