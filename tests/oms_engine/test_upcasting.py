"""Are events of every schema version read as if they were written today, and those of a newer one refused?"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine, Refused
from oms_engine.domain.decider import book
from oms_engine.domain.events import EVENTS
from oms_engine.domain.upcasting import UPCASTERS, Upcasters
from oms_engine.errors import StoreUnavailable
from oms_engine.storage import rows as stored_rows
from oms_engine.storage.verify import verify
from scripts.archive_events import EVENTS as ARCHIVE
from scripts.archive_events import archives, folded
from tests.oms_engine.desk import Desk

Payload = dict[str, Any]


def renamed(payload: Payload) -> Payload:
    """An example of a step: version 1 called the routing `route`."""
    return {"routing" if name == "route" else name: value for name, value in payload.items()}


def in_capitals(payload: Payload) -> Payload:
    return {**payload, "routing": str(payload["routing"]).upper()}


STEPS = Upcasters({("OrderPlaced", 1): renamed, ("OrderPlaced", 2): in_capitals})


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in which OrderPlaced has changed twice."""
    monkeypatch.setattr(stored_rows, "UPCASTERS", STEPS)
    monkeypatch.setattr(book, "UPCASTERS", STEPS)


def as_version_1(file: Path) -> list[Any]:
    """Make of the OrderPlaced of a file what version 1 of the example wrote; returns its rows."""
    with closing(sqlite3.connect(file)) as connection:
        (trigger,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'events_are_not_changed'"
        ).fetchone()
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute(
            "UPDATE events SET payload = replace(payload, 'routing', 'route') WHERE type = 'OrderPlaced'"
        )
        connection.execute(trigger)
        connection.commit()
        return connection.execute("SELECT * FROM events ORDER BY position").fetchall()


def test_a_payload_is_lifted_step_by_step() -> None:
    old = {"route": "auto"}
    assert STEPS.lift("OrderPlaced", 1, old) == {"routing": "AUTO"}
    assert STEPS.lift("OrderPlaced", 2, {"routing": "auto"}) == {"routing": "AUTO"}
    assert STEPS.lift("OrderPlaced", 3, {"routing": "AUTO"}) == {"routing": "AUTO"}
    assert STEPS.lift("OrderFilled", 1, {"cumQty": "1"}) == {"cumQty": "1"}
    assert old == {"route": "auto"}
    assert (STEPS.version("OrderPlaced"), STEPS.version("OrderFilled"), dict(STEPS.versions)) == (
        3,
        1,
        {"OrderPlaced": 3},
    )


@pytest.mark.parametrize("steps", [{("A", 2): renamed}, {("A", 1): renamed, ("A", 3): renamed}, {("A", 0): renamed}])
def test_a_step_that_is_missing_is_noticed_at_once(steps: dict[tuple[str, int], Any]) -> None:
    with pytest.raises(ValueError, match="A has a step from version"):
        Upcasters(steps)


def test_every_step_of_this_program_is_one_of_an_event() -> None:
    assert set(UPCASTERS.versions) <= set(EVENTS)


@pytest.mark.usefixtures("later")
def test_old_events_are_read_as_if_written_today_and_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "oms.db"
    with monkeypatch.context() as before:
        before.setattr(stored_rows, "UPCASTERS", UPCASTERS)
        before.setattr(book, "UPCASTERS", UPCASTERS)
        desk = Desk(str(file))
        desk.given("LIVE")
        desk.engine.close()
    rows = as_version_1(file)
    with Engine.open(str(file)) as engine:
        placed = engine.history("o1")[1]
        assert (placed.type, placed.schema_version, placed.to_wire()["payload"]) == (
            "OrderPlaced", 3, {"routing": "AUTO"},
        )  # fmt: skip
        assert engine.find("o1").state == "LIVE"
        engine.rebuild()
        assert engine.verify().sound
        assert engine._store.connection.execute("SELECT * FROM events ORDER BY position").fetchall() == rows


@pytest.mark.usefixtures("later")
def test_events_are_written_in_the_present_version() -> None:
    desk = Desk()
    desk.given("LIVE")
    assert [(event.type, event.schema_version) for event in desk.engine.history("o1")] == [
        ("OrderCreated", 1), ("OrderPlaced", 3), ("OrderAccepted", 1),
    ]  # fmt: skip
    assert desk.engine.verify().sound


def test_an_event_of_a_newer_version_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "oms.db"
    with monkeypatch.context() as newer:
        newer.setattr(stored_rows, "UPCASTERS", STEPS)
        newer.setattr(book, "UPCASTERS", STEPS)
        desk = Desk(str(file))
        desk.given("LIVE")
        desk.engine.export(tmp_path / "newer.jsonl")
        desk.engine.close()
    words = r"schema version 3, this program knows versions up to 1; upgrade oms-mcp"
    with Engine.open(str(file)) as engine:
        with pytest.raises(StoreUnavailable, match=rf"event 2 \(OrderPlaced\) cannot be read: it has {words}"):
            engine.history("o1")
        problem = engine.execute({"type": "OrderExpireCmd", "orderId": "o1"}).error
        assert problem is not None
        assert problem.error_code == "OMS-DATA-002"
        assert "upgrade oms-mcp" in problem.detail
        assert engine.find("o1").state == "LIVE"
    refused = pytest.raises(Refused, match=f'line 3, field "schemaVersion": it has {words}')
    with Engine.open() as engine, (tmp_path / "newer.jsonl").open("rb") as lines, refused:
        engine.import_archive(lines)


@pytest.mark.usefixtures("later")
def test_an_export_of_old_events_is_imported_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "oms.db"
    with monkeypatch.context() as before:
        before.setattr(stored_rows, "UPCASTERS", UPCASTERS)
        before.setattr(book, "UPCASTERS", UPCASTERS)
        desk = Desk(str(file))
        desk.given("LIVE")
        desk.engine.close()
    rows = as_version_1(file)
    with Engine.open(str(file)) as engine:
        engine.export(tmp_path / "old.jsonl")
    with Engine.open() as engine, (tmp_path / "old.jsonl").open("rb") as lines:
        engine.import_archive(lines)
        assert engine._store.connection.execute("SELECT * FROM events ORDER BY position").fetchall() == rows
        assert engine.verify().sound


def kinds(archive: Path) -> set[tuple[str, int]]:
    lines = map(json.loads, archive.read_text(encoding="utf-8").splitlines())
    return {(line["type"], line["schemaVersion"]) for line in lines if line["kind"] == "event"}


def test_there_is_an_archive_of_every_schema_version() -> None:
    assert [archive.name for archive in archives()] == ["schema_1.jsonl", "schema_2.jsonl", "schema_3.jsonl"]


@pytest.mark.parametrize("archive", archives(), ids=lambda archive: archive.stem)
def test_what_released_versions_wrote_leads_to_the_same_orders_for_ever(archive: Path) -> None:
    golden = map(json.loads, (ARCHIVE / "folded.jsonl").read_text(encoding="utf-8").splitlines())
    expected = [line for line in golden if line["archive"] == archive.stem]
    assert len(expected) > 10
    assert json.loads(json.dumps(folded(archive))) == expected


@pytest.mark.parametrize("archive", archives(), ids=lambda archive: archive.stem)
def test_what_released_versions_wrote_is_sound(archive: Path) -> None:
    with Engine.open() as engine, archive.open("rb") as lines:
        engine.import_archive(lines)
        assert verify(engine._store).findings == ()


def test_the_newest_archive_has_every_event_in_its_present_version() -> None:
    """Whoever adds an event, or changes one, adds it to `commands.jsonl` and makes an archive of the coming schema."""
    present = {(kind, UPCASTERS.version(kind)) for kind in EVENTS}
    assert kinds(archives()[-1]) == present


def test_every_older_version_of_an_event_is_in_an_archive() -> None:
    older = {(kind, version) for kind, present in UPCASTERS.versions.items() for version in range(1, present)}
    assert older <= set().union(*map(kinds, archives()))
