"""Does `oms projections` tell how far the tables are, what waits and why, and can it be put right from there?"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine, Projection
from tests.oms_engine.desk import Desk
from tests.oms_engine.test_projections import SCHEMA, count, damage, rewrite
from tests.oms_mcp.conftest import Ask, Oms

OK, REFUSED, MISUSED = 0, 1, 2

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with two orders, on the file orders.db."""
    desk = Desk(str(tmp_path / "orders.db"))
    for _ in range(2):
        desk.given("PART")
    yield desk
    desk.engine.close()


@pytest.mark.usefixtures("desk")
def test_the_status_tells_how_far_every_projection_is(oms: Oms, ask: Ask) -> None:
    with Engine.open("orders.db") as program:
        program.add_projection(Projection("volumes", SCHEMA, count))
    model, own = ask("projections", "status", "--db", "orders.db")["projections"]
    assert model == {"name": "read-model", "position": 8, "lastPosition": 8, "behind": 0, "here": True, "parked": []}
    assert (own["name"], own["position"], own["behind"], own["here"]) == ("volumes", 0, 8, False)
    shown = oms("projections", "status", "--db", "orders.db").stdout.splitlines()
    assert shown[0].split() == ["projection", "position", "behind", "waiting", "rebuilt", "at"]
    assert shown[1].split() == ["read-model", "8", "0", "0"]
    assert shown[2].split() == ["volumes", "0", "8", "0", "of", "another", "program"]


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("name", [(), ("read-model",)])
def test_a_rebuild_by_name_writes_the_same_orders_again(name: tuple[str, ...], oms: Oms, ask: Ask) -> None:
    before = ask("show", "o1", "--db", "orders.db")
    with closing(sqlite3.connect("orders.db")) as connection:
        connection.execute("DELETE FROM orders")
        connection.commit()
    told = ask("projections", "rebuild", *name, "--db", "orders.db")
    assert told == {"projection": "read-model", "eventsRead": 8, "parked": []}
    assert ask("show", "o1", "--db", "orders.db") == before
    result = oms("projections", "rebuild", *name, "--db", "orders.db")
    assert result.stdout == "rebuilt read-model from 8 events\n"
    assert "rebuilding read-model ..." in result.stderr
    (model,) = ask("projections", "status", "--db", "orders.db")["projections"]
    assert model["rebuiltAt"]


def test_what_waits_is_shown_with_its_reason_and_retried(desk: Desk, oms: Oms, ask: Ask) -> None:
    good = damage(desk, 7)
    result = oms("projections", "rebuild", "--db", "orders.db")
    assert result.exit_code == OK
    assert "1 stream failed and waits; see: oms projections status" in result.stderr
    assert "1 stream failed and waits" in oms("rebuild", "--db", "orders.db").stderr
    (model,) = ask("projections", "status", "--db", "orders.db")["projections"]
    (parked,) = model["parked"]
    assert (parked["streamId"], parked["position"], parked["attempts"]) == ("order-o2", 7, 1)
    assert "cannot be read" in parked["error"]
    shown = oms("projections", "status", "--db", "orders.db").stdout
    assert "read-model waits with" in shown
    assert "order-o2" in shown
    again = oms("projections", "retry", "--db", "orders.db")
    assert again.exit_code == REFUSED
    assert again.stdout.startswith("0 streams up to date again, 1 failed again")
    assert ask("projections", "retry", "--db", "orders.db", code=REFUSED)["parked"][0]["attempts"] == 3
    rewrite(desk, 7, good)
    told = ask("projections", "retry", "read-model", "--stream", "order-o2", "--db", "orders.db")
    assert told == {"projection": "read-model", "applied": ["order-o2"], "parked": []}
    assert oms("projections", "retry", "--db", "orders.db").stdout == "nothing waits\n"


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rebuild", "volumes"), 'projection "volumes" is unknown; use one of read-model'),
        (("retry", "volumes"), "is unknown"),
        (("retry", "--stream", "order-o9"), 'stream "order-o9" does not wait in "read-model"; waiting: none'),
    ],
)
def test_what_is_not_there_is_refused(words: tuple[str, ...], said: str, oms: Oms, ask: Ask) -> None:
    assert oms("projections", *words, "--db", "orders.db").exit_code == REFUSED
    error = ask("projections", *words, "--db", "orders.db", code=REFUSED)["error"]
    assert error["errorCode"] == "OMS-VAL-004"
    assert said in error["detail"]


@pytest.mark.parametrize("words", [("status",), ("rebuild",), ("retry",)])
def test_looking_after_projections_needs_a_database_that_exists(words: tuple[str, ...], oms: Oms) -> None:
    for extra in ((), ("--db", ":memory:"), ("--db", "none.db")):
        result = oms("projections", *words, *extra)
        assert result.exit_code == MISUSED
        assert "Traceback" not in result.output
