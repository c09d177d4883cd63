"""How does personal data stand in an event, so that it can be destroyed? Encrypted, under a key of its account alone.

The key stands in one row of `account_keys` and nowhere else. It is looked up whenever an event is written or read and
never remembered; so whoever reads after its row is gone, in whatever process, finds nothing. Sealing starts where the
setting `store.personalData` is first `sealed`; from then on it is a fact of the file, and every process seals.
"""

import base64
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from oms_engine.domain.events import ACCOUNT_SCOPE, PERSONAL, SettingsChanged

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FROM = "sealedFrom"
"""Name of the fact: the position of the first event that is sealed."""

SEALED = "sealed"
"""Name in a payload: key id -> what is encrypted with that key."""

BEGINS = '{"' + SEALED + '":'
"""How a payload begins that has something sealed, and no other does."""

_KEY_BYTES, _NONCE_BYTES = 32, 12
_BLOCK = 32
"""What is sealed is filled up to a multiple of so many bytes: its length tells little."""

Row = tuple[Any, ...]
"""An event as it stands in `events`: position, stream, version, type, schema version, payload, and so on."""

_POSITION, _STREAM, _VERSION, _TYPE, _PAYLOAD = 0, 1, 2, 3, 5
_SETTINGS = SettingsChanged.__name__

Fields = dict[str, Any]


def sealed_from(connection: sqlite3.Connection) -> int | None:
    """The position from which personal data is sealed; None where it is not."""
    found = connection.execute("SELECT value FROM store_facts WHERE name = ?", (FROM,)).fetchone()
    return int(found[0]) if found else None


def begin(connection: sqlite3.Connection, first: int) -> int:
    """Seal from this position on, inside the transaction that is open; where it has begun already it goes on.

    Returns:
        The position from which personal data is sealed.
    """
    connection.execute("INSERT OR IGNORE INTO store_facts (name, value) VALUES (?, ?)", (FROM, str(first)))
    return sealed_from(connection) or first


def opened(connection: sqlite3.Connection, stream_id: str, version: int, payload: str) -> str:
    """A payload with what is sealed in it, as far as the keys are there; the rest stays away.

    Raises:
        ValueError: The seal is broken, or belongs to another event.
    """
    fields: Fields = json.loads(payload)
    try:
        for key_id, box in fields.pop(SEALED).items():
            found = connection.execute("SELECT secret FROM account_keys WHERE key_id = ?", (key_id,)).fetchone()
            if found is not None:
                _join(fields, json.loads(_decrypted(found[0], box, _place(stream_id, version))))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("what is sealed in it cannot be opened") from error
    return _text(fields)


class Seals:
    """Seals what a writer appends, inside the transaction that is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._from: int | None = None

    def starts_at(self, fact: str | None) -> None:
        """A transaction begins; this is what `store_facts` says of sealing."""
        self._from = None if fact is None else int(fact)

    def close(self, rows: Sequence[Row]) -> Sequence[Row]:
        """These rows, which are to be appended, with their personal fields sealed; as they are in a plain store."""
        if self._from is None:
            return rows
        closed: list[Row] = []
        begun: dict[str, str | None] = {}
        for row in rows:
            if row[_POSITION] >= self._from and not row[_PAYLOAD].startswith(BEGINS):
                row = self._closed(row, begun)  # noqa: PLW2901 - the row as it is written
            closed.append(row)
        return closed

    def _closed(self, row: Row, begun: dict[str, str | None]) -> Row:
        stream_id = row[_STREAM]
        if row[_TYPE] == _SETTINGS:
            fields = json.loads(row[_PAYLOAD])
            secrets = _take_scopes(fields)
            if not secrets:
                return row
        elif names := PERSONAL.get(row[_TYPE]):
            fields = json.loads(row[_PAYLOAD])
            taken = _take(fields, names)
            if row[_VERSION] == 1:
                begun[stream_id] = taken.get("account")
            if not taken:
                return row
            account = begun[stream_id] if stream_id in begun else self._account_of(stream_id)
            secrets = {} if account is None else {account: taken}  # without a key it could never be destroyed
        else:
            return row
        place = _place(stream_id, row[_VERSION])
        boxes = dict(self._encrypted(account, its, place) for account, its in secrets.items())
        payload = _text({SEALED: boxes, **fields} if boxes else fields)
        return (*row[:_PAYLOAD], payload, *row[_PAYLOAD + 1 :])

    def _account_of(self, stream_id: str) -> str | None:
        """The account of an order; None once it was erased."""
        asked = "SELECT payload FROM events WHERE stream_id = ? AND version = 1"
        payload = self._connection.execute(asked, (stream_id,)).fetchone()[0]
        if payload.startswith(BEGINS):
            payload = opened(self._connection, stream_id, 1, payload)
        account: str | None = json.loads(payload).get("account")
        return account

    def _encrypted(self, account: str, fields: Fields, place: bytes) -> tuple[str, str]:
        key_id, secret = self._key(account)
        data = _text(fields).encode()
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + _cipher()(secret).encrypt(nonce, data + b" " * (-len(data) % _BLOCK), place)
        return key_id, base64.b64encode(box).decode()

    def _key(self, account: str) -> tuple[str, bytes]:
        """The key of an account, which is made when it is first needed."""
        asked = "SELECT key_id, secret FROM account_keys WHERE account = ?"
        found = self._connection.execute(asked, (account,)).fetchone()
        if found is not None:
            return found[0], found[1]
        made = (f"KEY-{os.urandom(16).hex()}", os.urandom(_KEY_BYTES))
        self._connection.execute(
            "INSERT INTO account_keys (key_id, account, secret) VALUES (?, ?, ?)", (made[0], account, made[1])
        )
        return made


def scoped_accounts(payload: str) -> set[str]:
    """The accounts that a change of settings names in plain."""
    return set(_take_scopes(json.loads(payload)))


def _take(fields: Fields, names: Iterable[str]) -> Fields:
    """Take personal fields out of a payload."""
    taken: Fields = {}
    for name in names:
        part, _, field = name.rpartition(".")
        if field in (held := fields[part] if part else fields):
            (taken.setdefault(part, {}) if part else taken)[field] = held.pop(field)
    return taken


def _take_scopes(fields: Fields) -> dict[str, Fields]:
    """Take the limits of accounts out of a change of settings; by account, since each has its own key."""
    taken: dict[str, Fields] = {}
    for side in ("old", "new"):
        value = fields.get(side)
        for scope in [name for name in value if name.startswith(ACCOUNT_SCOPE)] if isinstance(value, dict) else ():
            account = scope.removeprefix(ACCOUNT_SCOPE)
            taken.setdefault(account, {}).setdefault(side, {})[scope] = fields[side].pop(scope)
    return taken


def _join(fields: Fields, taken: Mapping[str, Any]) -> None:
    """Put back what was taken out."""
    for name, value in taken.items():
        fields[name] = {**fields.get(name, {}), **value} if isinstance(value, dict) else value


def _place(stream_id: str, version: int) -> bytes:
    """What a seal is bound to: the same bytes in another event do not open."""
    return f"{stream_id}@{version}".encode()


def _decrypted(secret: bytes, box: str, place: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as below

    data = base64.b64decode(box, validate=True)
    try:
        return _cipher()(secret).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place)
    except InvalidTag as error:
        raise ValueError("the seal is broken") from error


@cache
def _cipher() -> "type[AESGCM]":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - a plain store does not load it

    return AESGCM


def _text(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
