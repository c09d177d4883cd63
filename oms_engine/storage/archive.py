"""How does a store become text that outlives it, and a store again? JSON Lines, complete or refused.

The first line tells the format and what follows, the last one how many lines there are and their SHA-256. In between
stand all events in order of position, and all commands; before them the keys of sealed accounts, where they are wanted.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from oms_engine.domain.catalogue import refused_value
from oms_engine.domain.events import EVENTS
from oms_engine.errors import Refused, StoreUnavailable, shown
from oms_engine.record import Record, instant_text, is_unicode, parse_instant
from oms_engine.storage import chain, sealing
from oms_engine.storage.chain import START, chained_from, head, link
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.projections import Progress, refill
from oms_engine.storage.rows import INSERT_EVENT, SELECT_EVENTS, NewerEvent, decode
from oms_engine.storage.schema import VERSION
from oms_engine.storage.sealing import BEGINS, opened, sealed_from
from oms_engine.storage.verify import begins_with, command_findings

FORMAT = 1
"""Version of the format that this program writes and reads."""

_LIMIT = 2**63
"""No integer of SQLite is as large."""

_TEXT, _NUMBER, _FACTS = str, int, dict
_NAMES: Mapping[type, str] = {_TEXT: "text", _NUMBER: "whole number of 0 or more", _FACTS: "object"}

_EVENT: Mapping[str, type] = {
    "position": _NUMBER,
    "streamId": _TEXT,
    "version": _NUMBER,
    "type": _TEXT,
    "schemaVersion": _NUMBER,
    "payload": _FACTS,
    "commandId": _TEXT,
    "correlationId": _TEXT,
    "causationId": _TEXT,
    "actor": _TEXT,
    "recordedAt": _TEXT,
}
"""Names of an event's line, in the order of the columns of `events`."""

_COMMAND: Mapping[str, type] = {
    "commandId": _TEXT,
    "payloadHash": _TEXT,
    "streamId": _TEXT,
    "firstPosition": _NUMBER,
    "lastPosition": _NUMBER,
}
_KEY: Mapping[str, type] = {"keyId": _TEXT, "account": _TEXT, "secret": _TEXT}
_HEADER: Mapping[str, type] = {
    "format": _NUMBER,
    "schema": _NUMBER,
    "events": _NUMBER,
    "commands": _NUMBER,
    "keys": _NUMBER,
    "lastPosition": _NUMBER,
    "chainFrom": _NUMBER,
    "chainHead": _TEXT,
    "sealedFrom": _NUMBER,
}
_END: Mapping[str, type] = {"lines": _NUMBER, "sha256": _TEXT}
_LINES: Mapping[str, Mapping[str, type]] = {
    "header": _HEADER,
    "key": _KEY,
    "event": _EVENT,
    "command": _COMMAND,
    "end": _END,
}
"""Kind of a line -> its fields. Those of chain and seals stand in the header only where there are some."""

_OPTIONAL = frozenset({"chainFrom", "chainHead", "sealedFrom"})


class Archived(Record):
    """What was written or read: events, commands, the last position, and the SHA-256 of all lines but the last."""

    events: int
    commands: int
    last_position: int
    sha256: str


class _Line(NamedTuple):
    kind: str
    fields: dict[str, Any]


def export(
    store: EventStore,
    target: BinaryIO,
    progress: Progress = lambda _done, _all: None,
    *,
    with_keys: bool = False,
) -> Archived:
    """Write everything that is not computed from something else, as it is at this moment; writers go on meanwhile.

    Args:
        store: The store.
        target: Where the lines go, as UTF-8.
        progress: Told how many events were written, and how many there are.
        with_keys: Write the keys of sealed accounts too; without them personal data is null where it is imported.
    """
    digest = hashlib.sha256()
    with store.apart() as connection:
        header = _header(connection, with_keys=with_keys)
        lines = 0
        for line in _told(connection, header, progress):
            data = _line(line)
            digest.update(data)
            target.write(data)
            lines += 1
    target.write(_line({"kind": "end", "lines": lines, "sha256": digest.hexdigest()}))
    return Archived(
        events=header["events"],
        commands=header["commands"],
        last_position=header["lastPosition"],
        sha256=digest.hexdigest(),
    )


def _told(connection: sqlite3.Connection, header: dict[str, Any], progress: Progress) -> Iterator[dict[str, Any]]:
    yield header
    asked = "SELECT key_id, account, secret FROM account_keys ORDER BY 1 LIMIT ?"
    for key_id, account, secret in connection.execute(asked, (header["keys"],)):
        yield {"kind": "key", "keyId": key_id, "account": account, "secret": secret.hex()}
    for done, row in enumerate(connection.execute(SELECT_EVENTS + "ORDER BY position"), 1):
        event = dict(zip(_EVENT, row, strict=True))
        yield {"kind": "event", **event, "payload": _as_object(event["payload"])}
        progress(done, header["events"])
    for row in connection.execute(f"SELECT {_COMMAND_COLUMNS} FROM commands ORDER BY command_id"):  # noqa: S608 - own names
        yield {"kind": "command", **dict(zip(_COMMAND, row, strict=True))}


_COMMAND_COLUMNS = "command_id, payload_hash, stream_id, first_position, last_position"


def _header(connection: sqlite3.Connection, *, with_keys: bool) -> dict[str, Any]:
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM commands), "
        "(SELECT count(*) FROM account_keys WHERE ?), (SELECT coalesce(max(position), 0) FROM events)",
        (with_keys,),
    ).fetchone()
    names = ("events", "commands", "keys", "lastPosition")
    told = {"kind": "header", "format": FORMAT, "schema": VERSION, **dict(zip(names, counts, strict=True))}
    first, last = chained_from(connection), head(connection)
    if first is not None:
        told |= {"chainFrom": first, "chainHead": last[1].hex() if last else ""}
    sealed = sealed_from(connection)
    return told if sealed is None else {**told, "sealedFrom": sealed}


def _as_object(payload: str) -> object:
    """The payload as an object, so that a line is read easily; as the text it is, where writing it would change it."""
    try:
        read = json.loads(payload)
    except ValueError:
        return payload
    return read if _text(read) == payload else payload


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _line(fields: Mapping[str, Any]) -> bytes:
    return _text(fields).encode() + b"\n"


def import_archive(
    store: EventStore, source: Iterable[bytes], progress: Progress = lambda _done, _all: None
) -> Archived:
    """Fill an empty store from an export, in one transaction: events, commands and hash chain as they were.

    A store that is sealed seals what comes in plain; the hash chain is then another one, of the events as they are now.

    Args:
        store: The store; it must be empty.
        source: The lines of the export.
        progress: Told how many events were read, and how many there are.

    Raises:
        Refused: A line cannot be read or does not fit the others; the message names line, field and remedy, and
            nothing was imported.
        StoreError: The store is not empty, or cannot be written.
    """
    reader = _Reader(source)
    with store.writing():
        connection = store.connection
        if connection.execute("SELECT 1 FROM events UNION ALL SELECT 1 FROM commands").fetchone():
            raise StoreUnavailable("the store is not empty; an export is imported into a new file")
        if connection.execute("SELECT 1 FROM sinks").fetchone():
            raise StoreUnavailable(
                "the store has sinks, which would not hear of what is imported; import into a new file, and register "
                "them there from position 0"
            )
        header = reader.header()
        if "chainFrom" in header:
            store.chain.starts_at(str(chain.begin(connection, header["chainFrom"])))
        if "sealedFrom" in header:
            store.seals.starts_at(str(sealing.begin(connection, header["sealedFrom"])))
        reader.fill(store, header, progress)
        refill(connection)
        store.commit()
    return Archived(
        events=header["events"],
        commands=header["commands"],
        last_position=header["lastPosition"],
        sha256=reader.digest.hexdigest(),
    )


class _Reader:
    """The lines of one export, each checked against what came before it."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._lines = self._read(source)
        self._number = 0
        self._hash = START
        self.digest = hashlib.sha256()

    def header(self) -> dict[str, Any]:
        line = next(self._lines, None)
        if line is None or line.kind != "header":
            raise self._refused("kind", 'an export begins with a line of kind "header"; choose a file of oms export')
        if line.fields["format"] != FORMAT:
            raise self._refused(
                "format", f"format {line.fields['format']} is not known, only {FORMAT}; upgrade oms-mcp"
            )
        if line.fields["schema"] > VERSION:
            raise self._refused(
                "schema",
                f"a store of schema version {line.fields['schema']} wrote it, this program knows versions up "
                f"to {VERSION}; upgrade oms-mcp",
            )
        return line.fields

    def fill(self, store: EventStore, header: dict[str, Any], progress: Progress) -> None:
        """Write keys, events and commands, and see that they are those of the header and of the last line."""
        connection, counts = store.connection, {"event": 0, "command": 0, "key": 0}
        for line in self._lines:
            match line.kind:
                case "key":
                    row = (line.fields["keyId"], line.fields["account"], self._bytes(line.fields["secret"]))
                    self._insert(connection, "INSERT INTO account_keys (key_id, account, secret) VALUES (?, ?, ?)", row)
                case "event":
                    row = self._event(connection, line.fields, counts["event"] + 1)
                    if row[0] >= header.get("chainFrom", _LIMIT):
                        self._hash = link(self._hash, row)
                    (kept,) = store.seals.close([row])
                    self._insert(connection, INSERT_EVENT, kept)
                    store.chain.extend([kept])
                    progress(counts["event"] + 1, header["events"])
                case "command":
                    self._insert(connection, "INSERT INTO commands VALUES (?, ?, ?, ?, ?)", tuple(line.fields.values()))
                case "end":
                    break
                case _:
                    raise self._refused("kind", "a second header; choose one export, not several in one file")
            counts[line.kind] += 1
        else:
            raise self._refused("kind", "the export has no last line, so it was cut off; take a complete one")
        self._complete(connection, header, counts)

    def _complete(self, connection: sqlite3.Connection, header: dict[str, Any], counts: dict[str, int]) -> None:
        for field, kind in (("events", "event"), ("commands", "command"), ("keys", "key")):
            if header[field] != counts[kind]:
                raise self._refused(field, f"the header tells of {header[field]}, and there are {counts[kind]}")
        if header["lastPosition"] != counts["event"]:
            raise self._refused(
                "lastPosition", f"the header tells of {header['lastPosition']}, the last event has {counts['event']}"
            )
        if (self._hash.hex() if self._hash != START else "") != header.get("chainHead", ""):
            raise self._refused("chainHead", "the hashes of these events do not lead to the one of the header")
        for finding in command_findings(connection):
            raise self._refused("commandId", f"{finding.where}: {finding.what}")
        if next(self._lines, None) is not None:
            raise self._refused("kind", "something follows the last line; choose one export, not several in one file")

    def _event(self, connection: sqlite3.Connection, fields: dict[str, Any], position: int) -> tuple[Any, ...]:
        if fields["position"] != position:
            raise self._refused("position", f"{fields['position']} does not follow {position - 1}")
        before = connection.execute(
            "SELECT coalesce(max(version), 0) FROM events WHERE stream_id = ?", (fields["streamId"],)
        ).fetchone()[0]
        if fields["version"] != before + 1:
            raise self._refused(
                "version", f"{fields['version']} does not follow {before} in {shown(fields['streamId'])}"
            )
        payload = fields["payload"]
        text = payload if isinstance(payload, str) else _text(payload)
        self._decodable(connection, fields, text)
        if not before and fields["type"] not in begins_with(fields["streamId"]):
            raise self._refused("type", f"no such stream begins with {fields['type']}")
        try:
            instant = instant_text(parse_instant(fields["recordedAt"]))
        except PydanticCustomError as error:
            raise self._refused("recordedAt", str(error)) from None
        if instant != fields["recordedAt"]:
            raise self._refused("recordedAt", f"write it in UTC with microseconds: {instant}")
        return tuple({**fields, "payload": text}.values())

    def _decodable(self, connection: sqlite3.Connection, fields: dict[str, Any], payload: str) -> None:
        kind = fields["type"]
        if kind not in EVENTS:
            raise self._refused("type", f"{shown(kind)} is no event")
        try:
            if payload.startswith(BEGINS):
                payload = opened(connection, fields["streamId"], fields["version"], payload)
            decode(kind, fields["schemaVersion"], payload)
        except NewerEvent as error:
            raise self._refused("schemaVersion", f"{error}; upgrade oms-mcp") from None
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(["payload", *map(str, first["loc"])])
            raise self._refused(field, f"{shown(first['input'])}: {first['msg']}") from None
        except ValueError as error:
            raise self._refused("payload", f"{error}; take the export as it was written") from None

    def _insert(self, connection: sqlite3.Connection, statement: str, row: tuple[Any, ...]) -> None:
        try:
            connection.execute(statement, row)
        except sqlite3.IntegrityError:
            raise self._refused("kind", "it stands there twice; take it out, or export again") from None

    def _bytes(self, text: str) -> bytes:
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise self._refused("secret", "it is no hexadecimal text") from None

    def _read(self, source: Iterable[bytes]) -> Iterator[_Line]:
        for self._number, data in enumerate(source, 1):
            line = self._parsed(data)
            if line.kind != "end":
                self.digest.update(data)
            elif line.fields != (told := {"lines": self._number - 1, "sha256": self.digest.hexdigest()}):
                wrong = next(name for name, value in told.items() if line.fields[name] != value)
                raise self._refused(wrong, f"it is not that of the lines before it, which is {told[wrong]}")
            yield line

    def _parsed(self, data: bytes) -> _Line:
        if not data.endswith(b"\n"):
            raise self._refused("kind", "the line has no end, so the export was cut off; take a complete one")
        try:
            read = json.loads(data)
        except (ValueError, RecursionError):
            raise self._refused("kind", "it is no JSON in UTF-8; take the export as it was written") from None
        if not isinstance(read, dict) or read.get("kind") not in _LINES:
            raise self._refused("kind", f"each line is an object whose kind is one of {', '.join(_LINES)}")
        kind = read.pop("kind")
        return _Line(kind, self._fields(kind, read))

    def _fields(self, kind: str, read: dict[str, Any]) -> dict[str, Any]:
        known = _LINES[kind]
        for name in read:
            if name not in known:
                raise self._refused(name, f"a line of kind {kind} has no such field; it has {', '.join(known)}")
        for name in known:
            if name not in read and name not in _OPTIONAL:
                raise self._refused(name, f"a line of kind {kind} must have it")
        return {name: self._value(name, read[name], type_) for name, type_ in known.items() if name in read}

    def _value(self, name: str, value: object, type_: type) -> object:
        fits = isinstance(value, type_ if type_ is not dict else dict | str) and not isinstance(value, bool)
        if (
            fits
            and not (isinstance(value, str) and not is_unicode(value))
            and not (isinstance(value, int) and not 0 <= value < _LIMIT)
        ):
            return value
        raise self._refused(name, f"{shown(value)} is no {_NAMES[type_]}")

    def _refused(self, field: str, why: str) -> Refused:
        return refused_value(field, f"line {self._number}, field {shown(field)}: {why}; nothing was imported")
