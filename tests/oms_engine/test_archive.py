"""Does an export say everything, and is what is imported from it the same store again, or nothing at all?"""

import hashlib
import json
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine import Engine, Refused
from oms_engine.engine import random_id
from oms_engine.errors import StoreUnavailable
from oms_engine.storage.schema import VERSION
from tests.oms_engine.desk import READ_MODEL, Desk
from tests.oms_engine.test_verify import busy

KEPT = ("events", "commands", "chain", "account_keys", *READ_MODEL)

Line = dict[str, Any]


def lines_of(desk: Desk, *, with_keys: bool = False) -> list[bytes]:
    written = BytesIO()
    desk.engine.export(written, with_keys=with_keys)
    return written.getvalue().splitlines(keepends=True)


def filled(lines: list[bytes]) -> Desk:
    desk = Desk()
    desk.engine.import_archive(lines)
    return desk


def sealed(lines: list[Line]) -> list[bytes]:
    """Lines with the last one that belongs to them."""
    written = [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines]
    end = {"kind": "end", "lines": len(lines), "sha256": hashlib.sha256(b"".join(written)).hexdigest()}
    return [*written, json.dumps(end).encode() + b"\n"]


@pytest.fixture
def exported() -> list[Line]:
    """The lines of a small export, without the last one."""
    desk = Desk()
    desk.given("PART")
    return [json.loads(line) for line in lines_of(desk)[:-1]]


def why(lines: list[bytes]) -> str:
    """Why an import is refused; nothing may be left of it."""
    desk = Desk()
    with pytest.raises(Refused) as refused:
        desk.engine.import_archive(lines)
    assert all(rows == [] for rows in desk.rows().values())
    desk.given("LIVE")
    problem = refused.value.problem
    assert (problem.error_code, problem.violations[0].rule_id) == ("OMS-VAL-004", "ENV-06")
    assert problem.detail.endswith("; nothing was imported")
    return problem.detail.removesuffix("; nothing was imported")


@pytest.mark.parametrize("chained", ["on", "off"])
def test_an_imported_store_is_the_exported_one_row_by_row(chained: str) -> None:
    desk = Desk(store__hashChain=chained)
    busy(desk)
    desk.given("LIVE", text='größe "and" \\ \u2028 \U0001f600\nnext')
    copy = filled(lines_of(desk))
    assert copy.rows(KEPT) == desk.rows(KEPT)
    assert lines_of(copy) == lines_of(desk)
    assert copy.engine.verify().sound
    copy.engine._executor._new_id = random_id
    copy.fill("o1" if copy.order("o1").state == "LIVE" else "o2", "1")
    assert copy.engine.verify().sound
    assert (copy.engine.verify().chain is not None) == (chained == "on")


def test_commands_are_recognised_after_an_import(desk: Desk) -> None:
    order = desk.asked()
    desk.ok("OrderCreateCmd", order=order, commandId="K1")
    copy = filled(lines_of(desk))
    again = copy.ok("OrderCreateCmd", order=order, commandId="K1")
    assert (again.duplicate, again.version) == (True, 2)
    assert copy.ok("OrderCreateCmd", order=order).duplicate


def test_a_chain_that_began_late_goes_on_where_it_was(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")
    early = Desk(file)
    early.given("PART")
    early.engine.close()
    late = Desk(file, store__hashChain="on")
    late.engine._executor._new_id = random_id
    late.fill("o1", "100")
    copy = filled(lines_of(late))
    assert copy.rows(KEPT) == late.rows(KEPT)
    assert copy.engine.settings.hash_chain is False  # fixed at opening
    late.engine.close()


def test_a_chain_without_an_event_is_kept() -> None:
    chained = Desk(store__hashChain="on")
    copy = filled(lines_of(chained))
    assert copy.rows(("store_facts",)) == chained.rows(("store_facts",)) == {"store_facts": [("chainFrom", "1")]}


def test_an_export_begins_with_what_it_holds_and_ends_with_its_sum(desk: Desk) -> None:
    desk.given("PART")
    lines = lines_of(desk)
    read = [json.loads(line) for line in lines]
    assert read[0] == {
        "kind": "header", "format": 1, "schema": VERSION, "events": 4, "commands": 3, "keys": 0, "lastPosition": 4,
    }  # fmt: skip
    assert [line["kind"] for line in read[1:]] == ["event"] * 4 + ["command"] * 3 + ["end"]
    assert read[1]["payload"]["orderId"] == "o1"
    assert read[-1] == {"kind": "end", "lines": 8, "sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    told = desk.engine.export(BytesIO())
    assert (told.events, told.commands, told.last_position, told.sha256) == (4, 3, 4, read[-1]["sha256"])


def test_an_empty_store_can_be_exported_and_imported(desk: Desk) -> None:
    assert all(rows == [] for rows in filled(lines_of(desk)).rows().values())


def test_a_payload_that_is_written_otherwise_stays_as_it_is(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"))
    desk.given("PART")
    desk.engine.close()
    with closing(sqlite3.connect(tmp_path / "oms.db")) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET payload = replace(payload, ':', ' : ') WHERE position = 2")
        connection.execute("UPDATE events SET payload = 'no JSON' WHERE position = 3")
        connection.commit()
    with Engine.open(str(tmp_path / "oms.db")) as engine:
        written = BytesIO()
        engine.export(written)
    lines = [json.loads(line) for line in written.getvalue().splitlines()[:-1]]
    assert lines[2]["payload"].startswith('{"routing" : ')
    assert why(sealed(lines)).startswith('line 4, field "payload')
    lines[3]["payload"] = "{}"
    copy = filled(sealed(lines))
    assert copy.rows(("events",))["events"][1][5] == lines[2]["payload"]


def test_keys_of_accounts_are_exported_where_they_are_wanted(desk: Desk) -> None:
    desk.engine._store.connection.execute(
        "INSERT INTO account_keys (key_id, account, secret) VALUES ('k1', 'ACC', x'00ff')"
    )
    copy = filled(lines_of(desk, with_keys=True))
    assert copy.rows(("account_keys",)) == desk.rows(("account_keys",))
    assert filled(lines_of(desk)).rows(("account_keys",)) == {"account_keys": []}
    lines = [json.loads(line) for line in lines_of(desk, with_keys=True)[:-1]]
    lines[1] |= {"secret": "zz"}
    assert why(sealed(lines)) == 'line 2, field "secret": it is no hexadecimal text'


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (1, {"kind": "event"}, 'line 1, field "format": a line of kind event has no such field'),
        (1, {"format": 2}, 'line 1, field "format": format 2 is not known, only 1; upgrade oms-mcp'),
        (1, {"schema": VERSION + 1}, f'line 1, field "schema": a store of schema version {VERSION + 1} wrote it'),
        (1, {"events": 5}, 'line 9, field "events": the header tells of 5, and there are 4'),
        (1, {"commands": 5}, 'line 9, field "commands": the header tells of 5, and there are 3'),
        (1, {"keys": 5}, 'line 9, field "keys": the header tells of 5, and there are 0'),
        (1, {"lastPosition": 9}, 'line 9, field "lastPosition": the header tells of 9, the last event has 4'),
        (1, {"chainFrom": 1, "chainHead": "00"}, 'line 9, field "chainHead": the hashes of these events do not lead'),
        (2, {"position": 2}, 'line 2, field "position": 2 does not follow 0'),
        (3, {"position": 9}, 'line 3, field "position": 9 does not follow 1'),
        (3, {"position": "2"}, 'line 3, field "position": "2" is no whole number of 0 or more'),
        (3, {"position": True}, 'line 3, field "position": true is no whole number of 0 or more'),
        (3, {"position": -1}, 'line 3, field "position": -1 is no whole number of 0 or more'),
        (3, {"position": 2**63}, 'line 3, field "position"'),
        (3, {"version": 3}, 'line 3, field "version": 3 does not follow 1 in "order-o1"'),
        (3, {"type": "NoEvent"}, 'line 3, field "type": "NoEvent" is no event'),
        (3, {"type": None}, 'line 3, field "type": null is no text'),
        (3, {"schemaVersion": 2}, 'line 3, field "schemaVersion": it has schema version 2, this program knows'),
        (3, {"payload": {"routing": 7}}, 'line 3, field "payload.routing": 7: '),
        (3, {"payload": {}}, 'line 3, field "payload.routing": {}: '),
        (3, {"payload": {"routing": "auto", "more": 1}}, 'line 3, field "payload.more": 1: '),
        (3, {"payload": "["}, 'line 3, field "payload'),
        (3, {"payload": [1]}, 'line 3, field "payload": [1] is no object'),
        (3, {"recordedAt": "noon"}, 'line 3, field "recordedAt": is no ISO-8601 instant'),
        (3, {"recordedAt": "2026-01-02T10:30:00+01:00"}, 'line 3, field "recordedAt": write it in UTC'),
        (3, {"actor": "\ud800"}, 'line 3, field "actor": '),
        (3, {"more": 1}, 'line 3, field "more": a line of kind event has no such field'),
        (3, {"kind": "letter"}, 'line 3, field "kind": each line is an object whose kind is one of header, key, event'),
        (3, {"kind": "header"}, 'line 3, field "position": a line of kind header has no such field'),
        (6, {"commandId": "CMD-9"}, 'line 9, field "commandId": command "CMD-9": it does not name the events'),
        (6, {"firstPosition": 2}, 'line 9, field "commandId": event 1: no command accounts for it'),
        (7, {"commandId": "CMD-1"}, 'line 7, field "kind": it stands there twice'),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_is_imported(
    number: int, change: Line, message: str, exported: list[Line]
) -> None:
    exported[number - 1] |= change
    written = [json.dumps(line).encode() + b"\n" for line in exported]
    end = {"kind": "end", "lines": len(written), "sha256": hashlib.sha256(b"".join(written)).hexdigest()}
    assert why([*written, json.dumps(end).encode() + b"\n"]).startswith(message)


def test_a_missing_field_is_named(exported: list[Line]) -> None:
    del exported[2]["actor"]
    assert why(sealed(exported)) == 'line 3, field "actor": a line of kind event must have it'


def test_an_event_whose_order_does_not_exist_is_refused(exported: list[Line]) -> None:
    del exported[1]
    exported[1]["position"] = 1
    assert why(sealed(exported)).startswith('line 2, field "version": 2 does not follow 0')


def test_a_stream_begins_with_its_first_event(exported: list[Line]) -> None:
    exported[1] |= {"type": "OrderAccepted", "payload": {}}
    assert why(sealed(exported)).startswith('line 2, field "type": no such stream begins with OrderAccepted')


def test_an_export_in_pieces_is_refused(desk: Desk) -> None:
    desk.given("PART")
    lines = lines_of(desk)
    assert why([]) == 'line 0, field "kind": an export begins with a line of kind "header"; choose a file of oms export'
    assert why(lines[1:]).startswith('line 1, field "kind": an export begins')
    assert (
        why(lines[:-1]) == 'line 8, field "kind": the export has no last line, so it was cut off; take a complete one'
    )
    assert why([*lines[:-1], lines[-1][:-1]]).startswith(
        'line 9, field "kind": the line has no end, so the export was cut'
    )
    assert why([*lines, b"\n"]) == 'line 10, field "kind": it is no JSON in UTF-8; take the export as it was written'
    assert why([*lines, *lines]).startswith('line 10, field "kind": something follows the last line')
    assert why([*lines[:3], lines[0], *lines[3:]]).startswith('line 4, field "kind": a second header')
    assert why([*lines[:5], *lines[6:]]).startswith(
        'line 8, field "lines": it is not that of the lines before it, which is 7'
    )
    other = lines[5].replace(b"o1", b"o2")
    assert why([*lines[:5], other, *lines[6:]]).startswith(
        'line 9, field "sha256": it is not that of the lines before it'
    )
    for broken in (b"\xff\n", b"[" * 100_000 + b"\n", b"7\n", b"[]\n"):
        assert why([lines[0], broken, *lines[1:]]).startswith('line 2, field "kind": ')


@settings(max_examples=60)
@given(data=st.data())
def test_no_damage_to_an_export_goes_unnoticed(data: st.DataObject) -> None:
    desk = Desk(store__hashChain="on")
    desk.given("PART")
    text = b"".join(lines_of(desk))
    place = data.draw(st.integers(0, text.rindex(b'{"kind":"end"') - 1))
    cut = data.draw(st.integers(0, 3))
    put = data.draw(st.binary(max_size=3))
    damaged = text[:place] + put + text[place + cut :]
    if damaged == text:
        return
    with pytest.raises(Refused):
        Desk().engine.import_archive(damaged.splitlines(keepends=True))


def test_an_export_goes_only_into_an_empty_store(desk: Desk) -> None:
    desk.given("PART")
    lines = lines_of(desk)
    before = desk.rows()
    with pytest.raises(StoreUnavailable, match="the store is not empty; an export is imported into a new file"):
        desk.engine.import_archive(lines)
    assert desk.rows() == before


def test_an_export_does_not_go_past_a_sink_that_would_not_hear_of_it(desk: Desk) -> None:
    desk.given("PART")
    listened = Desk(outbox__enabled=True)
    with pytest.raises(StoreUnavailable, match="register them there from position 0"):
        listened.engine.import_archive(lines_of(desk))


def test_progress_counts_the_events(desk: Desk) -> None:
    desk.given("PART")
    steps: list[tuple[int, int]] = []
    written = BytesIO()
    desk.engine.export(written, progress=lambda done, total: steps.append((done, total)))
    Desk().engine.import_archive(
        written.getvalue().splitlines(keepends=True), lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)] * 2


def test_a_file_is_exported_as_at_one_moment_while_others_write(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"))
    busy(desk)
    before = lines_of(desk)
    other = Desk(str(tmp_path / "oms.db"))
    other.engine._executor._new_id = random_id

    def write(done: int, _total: int) -> None:
        other.given("LIVE", orderId=f"w{done}", clOrdId=f"w{done}")

    target = tmp_path / "export.jsonl"
    desk.engine.export(target, progress=write)
    assert target.read_bytes() == b"".join(before)
    with pytest.raises(StoreUnavailable, match="exists; choose another name"):
        desk.engine.export(target)
    desk.engine.export(target, force=True)
    assert len(target.read_bytes()) > len(b"".join(before))
    other.engine.close()
    desk.engine.close()
