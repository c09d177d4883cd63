"""What does a person see of a simulated market: while it runs, when it is over, and when it cannot go on?"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oms_engine import Engine
from oms_engine.simulation.load.run import Load
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.world import World
from oms_mcp.cli.market import Pace
from oms_mcp.printing import market
from oms_mcp.reports.page import is_ours
from tests.oms_engine.desk import START, Desk
from tests.oms_engine.simulation.loading import loaded
from tests.oms_mcp.conftest import Ask, Oms

OK, REFUSED, MISUSED, INTERRUPTED = 0, 1, 2, 130

pytestmark = pytest.mark.usefixtures("plain")


def test_a_market_is_simulated_and_told_in_words_without_any_option_but_its_size(oms: Oms) -> None:
    result = oms("simulate", "--orders", "30")
    assert result.exit_code == OK
    for part in (
        "market    30 orders, seed 1, mix retail, faults some",
        "sessions  1 of 1",
        "orders by state",
        "OrderCreateCmd",
        "order by id",
        "per command",
        "venue and engine agree, compared order by order in 1 session",
        "events hash ",
    ):
        assert part in result.stdout
    assert "simulating 30 orders in 1 session ..." in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_same_seed_gives_the_same_outcome_and_another_one_another(ask: Ask) -> None:
    one, same, other = (ask("simulate", "--orders", "20", "--seed", seed)["outcome"] for seed in ("7", "7", "8"))
    assert one == same
    assert one["eventsHash"] != other["eventsHash"]


def test_what_is_kept_in_a_file_is_verified_and_has_the_hash_that_was_told(ask: Ask, tmp_path: Path) -> None:
    wire = ask("simulate", "--orders", "20", "--mix", "institutional", "--db", "load.db")
    verified = ask("verify", "--db", "load.db")
    assert verified["sound"]
    assert verified["eventsHash"] == wire["outcome"]["eventsHash"]
    assert verified["counts"]["orders"] == wire["outcome"]["orders"] == 20
    assert wire["store"]["bytes"] == (tmp_path / "load.db").stat().st_size


def test_the_same_command_again_says_that_all_is_there(oms: Oms) -> None:
    first = oms("simulate", "--orders", "20", "--db", "load.db")
    again = oms("simulate", "--orders", "20", "--db", "load.db")
    assert "created load.db" in first.stderr
    assert "1 of 1 session in load.db already, which is all" in again.stderr
    assert "simulating" not in again.stderr
    assert "nothing was left to run" in again.stdout
    assert first.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]


def test_a_file_of_another_market_is_refused_with_the_command_that_goes_on(oms: Oms) -> None:
    oms("simulate", "--orders", "20", "--db", "load.db")
    result = oms("simulate", "--orders", "20", "--seed", "2", "--faults", "none", "--db", "load.db", "--json")
    assert result.exit_code == MISUSED
    told = json.loads(result.stdout)["error"]["detail"]
    assert "seed 1 and not 2, faults some and not none (1 of 1 sessions)" in told
    typed = told.partition("to see its report: oms ")[2].partition(". Or")[0]
    assert oms(*typed.split()).exit_code == OK


def test_a_market_that_a_program_began_in_its_own_way_is_refused_without_a_command_that_would_fail(oms: Oms) -> None:
    loaded(MarketPlan(20, seed=1, orders_per_session=10), "load.db")
    result = oms("simulate", "--orders", "20", "--db", "load.db", "--json")
    assert result.exit_code == MISUSED
    told = json.loads(result.stdout)["error"]["detail"]
    assert "orders_per_session 10 and not 1000 (2 of 2 sessions), and this command cannot go on with it" in told
    assert "to go on" not in told


ORDER = {
    "type": "OrderCreateCmd",
    "order": {
        "orderId": "O1", "clOrdId": "C1", "account": "A", "symbol": "X", "side": "BUY", "ordType": "MARKET",
        "orderQty": "1",
    },
}  # fmt: skip


def test_a_file_with_orders_of_a_desk_is_refused_and_left_as_it_is(oms: Oms, tmp_path: Path) -> None:
    oms("exec", ORDER, "--db", "orders.db")
    before = (tmp_path / "orders.db").read_bytes()
    result = oms("simulate", "--orders", "20", "--db", "orders.db", "--set", "routing=manual")
    assert result.exit_code == MISUSED
    assert "holds orders that no simulation sent" in " ".join(result.stderr.replace("│", " ").split())
    assert (tmp_path / "orders.db").read_bytes() == before


def test_settings_hold_for_the_market_and_cannot_be_others_when_it_goes_on(oms: Oms, ask: Ask) -> None:
    limit = ("--set", "risk.maxOrderQty=150")
    wire = ask("simulate", "--orders", "20", "--db", "load.db", *limit)
    assert "OMS-RISK-001" in {each["errorCode"] for each in wire["outcome"]["refusals"]}
    for same in (limit, ()):
        assert ask("simulate", "--orders", "20", "--db", "load.db", *same)["outcome"] == wire["outcome"]
    for other in ("risk.maxOrderQty=160", "store.hashChain=on"):
        result = oms("simulate", "--orders", "20", "--db", "load.db", "--set", other)
        assert result.exit_code == MISUSED
        assert f"--set {other}: the market was begun with" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--mix", "foo"), '--mix "foo" is unknown; use one of retail, institutional, market-maker'),
        (("--faults", "foo"), '--faults "foo" is unknown; use one of none, some, many'),
        (("--seed", str(2**63)), "--seed 9223372036854775808 is out of range"),
        (("--html", "nowhere/page.html"), '--html: the folder of "nowhere/page.html" does not exist'),
        (("--html", "."), '--html: "." is a folder; name a file in it'),
        (("--html", "notes.html"), '--html "notes.html" is there and is no report of oms simulate'),
        (("--html", "x.db", "--db", "x.db"), "--html and --db name the same file"),
        (("--html", "x.db-wal", "--db", "x.db"), "--html and --db name the same file, or one beside it"),
        (("--db", "."), "is a folder"),
        (("--set", "risk.nothing=1"), "risk.nothing"),
        (("--orders", "0"), "'--orders': Input should be greater than or equal to 1"),
        (("--speed", "0"), "'--speed': Input should be greater than or equal to 0.001"),
    ],
)
def test_what_cannot_be_simulated_is_said_before_anything_is_done(
    words: tuple[str, ...], told: str, oms: Oms, tmp_path: Path
) -> None:
    (tmp_path / "notes.html").write_text("<p>mine</p>")
    result = oms("simulate", *words, "--json")
    assert result.exit_code == MISUSED
    assert told in json.loads(result.stdout)["error"]["detail"]
    assert {file.name for file in tmp_path.iterdir()} == {"notes.html"}


def test_the_page_is_written_and_takes_the_place_of_an_older_one(oms: Oms, tmp_path: Path) -> None:
    page = tmp_path / "day.html"
    for orders in ("10", "20"):
        result = oms("simulate", "--orders", orders, "--html", "day.html")
        assert result.exit_code == OK
        assert "wrote day.html" in result.stderr
        assert f"Simulated market: {orders} orders" in page.read_text(encoding="utf-8")
    assert is_ours(page)
    assert [file.name for file in tmp_path.iterdir()] == ["day.html"]


def test_where_nobody_sees_a_bar_each_tenth_is_told(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms_mcp.cli.market._plan", lambda *_: MarketPlan(40, orders_per_session=2))
    told = [line for line in oms("simulate").stderr.splitlines() if line.startswith("note: ")]
    assert told[:2] == ["note: simulating 40 orders in 20 sessions ...", "note: 2 of 20 sessions ..."]
    assert told[9:11] == ["note: 18 of 20 sessions ...", "note: hashing events ..."]


def test_a_page_that_cannot_be_written_takes_nothing_else_with_it(
    oms: Oms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_its_way(_load: Load) -> Callable[[object], None]:
        return lambda _step: (tmp_path / "day.html").mkdir(exist_ok=True)

    monkeypatch.setattr(Load, "run", _with(in_its_way))
    result = oms("simulate", "--orders", "10", "--html", "day.html")
    assert result.exit_code == MISUSED
    assert "is a folder" in result.stderr
    assert "orders by state" in result.stdout


def test_a_paced_market_tells_each_command_on_a_line(oms: Oms) -> None:
    result = oms("simulate", "--orders", "5", "--speed", "1000000000")
    lines = [line for line in result.stdout.splitlines() if line[2:3] == ":"]
    assert len(lines) == int(result.stdout.partition("commands  ")[2].partition(":")[0])
    assert lines == sorted(lines, key=lambda line: line[:8])
    assert any("OrderCreate" in line and "none -> UNACK" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_no_line_of_a_paced_market_of_large_orders_is_wider_than_the_terminal(
    oms: Oms, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("simulate", "--orders", "150", "--mix", "institutional", "--speed", "1000000000")
    wide = {80: False, 120: True}
    for columns, tells_thousandths in wide.items():
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = [line for line in oms(*words).stdout.splitlines() if line[2:3] == ":"]
        assert max(map(len, lines)) <= columns
        assert all((line[8] == ".") is tells_thousandths for line in lines)
    assert max(map(len, lines)) > min(wide), "all of it would have found room"


def test_a_limit_is_left_out_where_a_line_has_no_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    order_id = desk.given("LIVE", orderQty="10000000", symbol="A" * 11, price="1234567.125")
    outcome = SimpleNamespace(result=SimpleNamespace(error=None), before=None, after=desk.engine.find(order_id))
    for columns, has_limit in ((80, False), (120, True)):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = StringIO()
        with redirect_stdout(shown):
            market.step(cast("Any", SimpleNamespace(at=START, kind="OrderAcceptCmd", outcome=outcome)))
        assert ("1234567.125" in shown.getvalue()) is has_limit
        assert len(shown.getvalue().rstrip()) <= columns
    desk.engine.close()


def test_a_terminal_without_unicode_is_told_of_a_market_in_ascii(ask: Ask) -> None:
    wire = ask("simulate", "--orders", "30")
    told = BytesIO()
    with redirect_stdout(TextIOWrapper(told, encoding="ascii", write_through=True)) as terminal:
        market.report(wire)
        terminal.flush()
        shown = told.getvalue().decode("ascii")
    assert "####" in shown
    assert " us" in shown
    assert "\\" not in shown


def test_quantities_of_a_market_have_their_thousands_apart(oms: Oms, ask: Ask) -> None:
    words = ("simulate", "--orders", "40", "--mix", "institutional")
    fills = ask(*words)["outcome"]["fills"]
    told = f"{int(fills['executedQty']):,} of {int(fills['orderedQty']):,} executed"
    assert told.count(",") == 2
    assert told in oms(*words).stdout


def test_a_paced_market_for_machines_is_one_document(ask: Ask) -> None:
    assert ask("simulate", "--orders", "5", "--speed", "1000000000")["speed"]["paced"] is True


def test_a_refused_command_is_told_on_a_line_too(oms: Oms) -> None:
    result = oms("simulate", "--orders", "10", "--speed", "1000000000", "--set", "risk.maxOrderQty=1")
    assert result.stdout.count("refused OMS-RISK-001") == 10


def steps(*seconds: float) -> list[Any]:
    return [SimpleNamespace(at=START + timedelta(seconds=each)) for each in seconds]


def test_a_pace_waits_as_long_as_the_market_does_and_not_overnight() -> None:
    time, told, waited = 0.0, [], []

    def wait(seconds: float) -> None:
        nonlocal time
        time += seconds
        waited.append(round(seconds, 6))

    pace = Pace(10, told.append, now=lambda: time, wait=wait)
    for step in steps(0, 5, 5, 25, 100_000, 100_010):
        pace(step)
    assert waited == [0.5, 2.0, 1.0]
    assert [each.at - START for each in told][-1] == timedelta(seconds=100_010)


def test_a_terminal_shows_live_rates_while_a_market_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console  # noqa: PLC0415 - this test alone

    console = Console(record=True, force_terminal=True, width=100, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123 - closed with the test
    monkeypatch.setattr(market, "err", lambda: console)
    world = World()
    with Engine.open(clock=world.clock, new_id=world.new_id) as engine, console.file:
        load = Load(engine, MarketPlan(60, seed=1), world)
        with market.watched(load) as heard:
            load.run(heard)
    shown = console.export_text()
    assert "simulating" in shown
    assert "/60" in shown
    assert "orders/s" in shown


def test_durations_and_sizes_are_told_as_people_say_them() -> None:
    durations = [market.duration(each) for each in (0, 213.4, 4_512.0, 999_999.0, 1_204_000.0)]
    assert durations == ["0 µs", "213 µs", "4.5 ms", "1000.0 ms", "1.20 s"]
    assert [market.size(each) for each in (0, 894, 58_234_000, 6.2e12)] == [
        "0 bytes",
        "894 bytes",
        "58.2 MB",
        "6,200.0 GB",
    ]


def test_what_venue_and_engine_disagree_on_is_told_and_is_a_failure(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    def disagree(_session: object, _engine: object) -> list[str]:
        return ["order S1-1: the venue executed 5, the engine has 4"]

    monkeypatch.setattr("oms_engine.simulation.load.run.problems", disagree)
    result = oms("simulate", "--orders", "5")
    assert result.exit_code == REFUSED
    assert "session 1: order S1-1: the venue executed 5, the engine has 4" in result.stdout


@pytest.mark.slow
def test_ctrl_c_takes_the_session_in_hand_back_and_says_how_to_go_on(
    oms: Oms, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupting(load: Load) -> Callable[[object], None]:
        def heard(_step: object) -> None:
            if load.commands == 3_500:
                raise KeyboardInterrupt

        return heard

    words = ("simulate", "--orders", "1100", "--db", "load.db")
    with monkeypatch.context() as patched:
        patched.setattr(Load, "run", _with(interrupting))
        result = oms(*words)
    assert result.exit_code == INTERRUPTED
    assert "stopped after 1 of 2 sessions; the same command goes on in load.db" in result.stderr
    assert ask("query", "--db", "load.db", "--size", "1")["page"]["totalElements"] == 1_000
    assert ask(*words)["outcome"] == loaded(MarketPlan(1_100, seed=1)).outcome.to_wire()


def _with(interrupting: Callable[[Load], Callable[[object], None]]) -> Callable[..., None]:
    original = Load.run

    def run(self: Load, _heard: object, *, paced: bool = False) -> None:
        original(self, interrupting(self), paced=paced)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_program_that_is_told_to_end_says_how_to_go_on(tmp_path: Path, number: int) -> None:
    program = [sys.executable, "-c", "from oms_mcp.cli import main; main()", "simulate", "--orders", "9000"]
    started = subprocess.Popen(
        [*program, "--speed", "1", "--db", str(tmp_path / "load.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert "OrderCreate" in started.stdout.readline()
    started.send_signal(number)
    _, told = started.communicate(timeout=30)
    assert started.returncode == INTERRUPTED
    assert "stopped after 0 of 9 sessions" in told
    with Engine.open(str(tmp_path / "load.db")) as engine:
        assert engine.counts()["orders"] >= 1
        assert engine.verify().sound


def test_times_of_a_paced_market_are_those_of_its_calendar() -> None:
    moments: list[datetime] = []
    loaded(MarketPlan(5, seed=1), paced=True, heard=lambda step: moments.append(step.at))
    assert moments[0].date().isoformat() == "2026-01-02"
    assert moments == sorted(moments)
