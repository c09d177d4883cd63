"""How does a simulated market look, while it runs and when it is over?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from oms_mcp.printing.pictures.marks import marks_of
from oms_mcp.printing.terminal import GAP, LOUD, Wire, counted, err, facts, note, out, say, table, text_of

if TYPE_CHECKING:
    from oms_engine.simulation.load.run import Load
    from oms_engine.simulation.market.session import Step

_BAR = 24
_LEAST = "▏"
"""A bar of few among many."""

_TOLD_EVERY = 50
"""Commands from one word about the progress to the next."""

_WIDE = 100
"""From so many columns on times are told to the millisecond."""

_PERCENTILES = ("p50", "p90", "p99", "max")
_THOUSAND = 1_000
_TENTHS = 10
_UNITS = ("bytes", "KB", "MB", "GB")


@contextmanager
def watched(load: "Load") -> Iterator["Callable[[Step], None]"]:
    """A bar with live rates on standard error while a market runs; yields the function that is told each step.

    Where standard error is no terminal, one line says that it has begun, and one follows with each tenth of it.
    """
    plan, console = load.tally.plan, err()
    if not console.is_terminal:
        note(f"simulating {counted(plan.orders, 'order')} in {counted(plan.sessions, 'session')} ...")
        yield _by_tenths(load)
        return
    columns = (
        TextColumn("simulating"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    done = load.tally.sessions * plan.orders_per_session
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=plan.orders, completed=done, rate="")

        def tell(_step: "Step") -> None:
            if load.commands % _TOLD_EVERY == 0:
                speed = bar.tasks[0].speed or 0.0
                rate = f"{speed:,.0f} orders/s, {load.commands:,} commands"
                bar.update(task, completed=done + load.orders, rate=rate)

        yield tell


def _by_tenths(load: "Load") -> "Callable[[Step], None]":
    sessions = load.tally.plan.sessions
    told = load.tally.sessions * _TENTHS // sessions

    def tell(_step: "Step") -> None:
        nonlocal told
        done = load.tally.sessions
        if sessions >= _TENTHS and done * _TENTHS // sessions > told:
            told = done * _TENTHS // sessions
            note(f"{done:,} of {counted(sessions, 'session')} ...")

    return tell


def step(told: "Step") -> None:
    """One command of a market that runs at a pace, on a line."""
    result, order = told.outcome.result, told.outcome.after
    before = getattr(told.outcome.before, "state", None) or "none"
    console = out()
    thousandths = f".{told.at.microsecond // _THOUSAND:03}" if console.width >= _WIDE else ""
    line = Text(f"{told.at:%H:%M:%S}{thousandths} ")
    line.append(f"{told.kind.removesuffix('Cmd'):<19}")
    if result.error is not None:
        line.append(f"refused {result.error.error_code}", style="red")
    elif order is not None:
        line.append(f"{getattr(order, 'order_id', ''):<8}")
        line.append(f"{_moved(str(before), str(order.state)):<15}", style=LOUD.get(str(order.state), ""))
        line.append(_terms(order, console.width - line.cell_len))
    console.print(line, soft_wrap=True)


def _moved(before: str, after: str) -> str:
    return after if before == after else f"{before} -> {after}"


def _terms(order: object, room: int) -> str:
    """Side, what was executed of which quantity, symbol, and the limit where there is room for it."""
    names = ("side", "cum_qty", "order_qty", "symbol", "price")
    side, done, quantity, symbol, price = (getattr(order, name, None) for name in names)
    told = f"{side} {done}/{quantity} {symbol}"
    limited = f"{told} {price}" if price else told
    return limited if len(limited) <= room else told


def report(wire: Wire) -> None:
    """What a market did, what its seed decided first and the speed of this machine last."""
    outcome, speed, store = wire["outcome"], wire["speed"], wire["store"]
    _heading(wire)
    _shares("orders by state", outcome["states"])
    fills = outcome["fills"]
    filled = {name: fills[name] for name in ("filled", "partly", "unfilled")}
    _shares(f"orders of clients, {_grouped(fills['executedQty'])} of {_grouped(fills['orderedQty'])} executed", filled)
    _refusals(outcome)
    if speed["commands"]:
        _latencies("command", speed["latencies"], speed["allCommands"])
    if any(each["count"] for each in speed["queries"].values()):
        _latencies("question", speed["queries"])
    _figures(speed, store)
    _reconciled(outcome["reconciled"])
    out().print(Text(f"\nevents hash {outcome['eventsHash']}", style="bold"), soft_wrap=True)


def _grouped(quantity: str) -> str:
    """A quantity with its thousands apart."""
    return f"{Decimal(quantity):,f}"


def _heading(wire: Wire) -> None:
    plan, outcome = wire["plan"], wire["outcome"]
    held = ", ".join(f"{outcome[name]:,} {name}" for name in ("orders", "executions", "events"))
    out().print(
        facts(
            [
                (
                    "market",
                    f"{plan['orders']:,} orders, seed {plan['seed']}, mix {plan['mix']}, faults {plan['faults']}",
                ),
                ("sessions", f"{wire['sessions']:,} of {wire['sessionsPlanned']:,}"),
                ("holds", held),
                (
                    "commands",
                    f"{outcome['commands']:,}: {outcome['accepted']:,} carried out, {outcome['refused']:,} refused",
                ),
                ("faults", ", ".join(f"{name} {number:,}" for name, number in outcome["faults"].items()) or "none"),
            ]
        )
    )


def _shares(title: str, parts: Mapping[str, int]) -> None:
    whole = sum(parts.values()) or 1
    most = max(parts.values(), default=1) or 1
    marks = marks_of(out())
    least = _LEAST if marks.unicode else marks.rest
    made = Table.grid(padding=(0, GAP))
    made.add_column(no_wrap=True)
    made.add_column(justify="right", no_wrap=True)
    made.add_column(justify="right", no_wrap=True)
    made.add_column(no_wrap=True)
    for name, number in parts.items():
        bar = marks.full * round(number / most * _BAR) or (least if number else "")
        made.add_row(text_of(name), f"{number:,}", f"{number / whole:.1%}", Text(bar, style=LOUD.get(name, "cyan")))
    out().print()
    out().print(Text(title, style="bold"))
    out().print(made)


def _refusals(outcome: Wire) -> None:
    if not outcome["refusals"]:
        return
    rows = [[each["command"], each["errorCode"], f"{each['count']:,}"] for each in outcome["refusals"]]
    out().print()
    out().print(table(rows, "refused", "code", "times", right=("times",)))


def _latencies(name: str, each: Mapping[str, Wire], together: Wire | None = None) -> None:
    rows: list[Sequence[object]] = [[kind, *_times(latency)] for kind, latency in each.items()]
    if together is not None:
        rows.append([Text("all", style="bold"), *_times(together)])
    heads = ("times", *_PERCENTILES)
    out().print()
    out().print(table(rows, name, *heads, right=heads))


def _times(latency: Wire) -> list[str]:
    return [f"{latency['count']:,}", *(_duration(latency[name]) for name in _PERCENTILES)]


def _duration(microseconds: float) -> str:
    """A duration in letters that the terminal knows."""
    return duration(microseconds, "µs" if marks_of(out()).unicode else "us")


def duration(microseconds: float, micro: str = "µs") -> str:
    """A duration as people say it: 213 µs (or what else stands for a millionth), 4.5 ms, 1.20 s."""
    if microseconds < _THOUSAND:
        return f"{microseconds:.0f} {micro}"
    if microseconds < _THOUSAND**2:
        return f"{microseconds / _THOUSAND:.1f} ms"
    return f"{microseconds / _THOUSAND**2:.2f} s"


def size(number: float) -> str:
    """A size as people say it: 894 bytes, 58.2 MB."""
    unit = 0
    while number >= _THOUSAND and unit < len(_UNITS) - 1:
        number, unit = number / _THOUSAND, unit + 1
    return f"{number:,.0f} {_UNITS[0]}" if unit == 0 else f"{number:,.1f} {_UNITS[unit]}"


def _figures(speed: Wire, store: Wire) -> None:
    each = ", ".join(f"{size(store[f'bytesPer{name}'])} per {name.lower()}" for name in ("Command", "Order", "Event"))
    rates = ", ".join(f"{speed[f'{name}PerSecond']:,.0f} {name}/s" for name in ("commands", "orders", "events"))
    commit = speed["commits"]
    shared = f", {counted(commit['count'], 'commit')} of {_duration(commit['p50'])} (p50)" if commit["count"] else ""
    out().print()
    out().print(
        facts(
            [
                (
                    "speed",
                    f"{rates}; {speed['seconds']:,.1f} s{shared}" if speed["commands"] else "nothing was left to run",
                ),
                ("store", f"{size(store['bytes'])}: {each}"),
                ("memory", f"{size(speed['memoryBytes'])} at most"),
            ]
        )
    )


def _reconciled(wire: Wire) -> None:
    problems = wire["problems"]
    if wire["crossedBooks"]:
        problems = [*problems, f"a book was found crossed {wire['crossedBooks']:,} times"]
    for each in problems:
        out().print(text_of(each, "red"), soft_wrap=True)
    if not problems:
        say(f"venue and engine agree, compared order by order in {counted(wire['sessions'], 'session')}")
