"""How is the personal data of an account destroyed? Its key goes, and with it what was computed from what it sealed.

Everything happens in one transaction: the key, the rows of its orders and quote requests, their snapshots, and the
messages that wait for other systems. Events stay as they are; nobody can read what is sealed in them any more.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from pydantic import Field

from oms_engine.domain.catalogue import refused_value, violation
from oms_engine.domain.events import (
    PRIVACY_STREAM,
    SETTINGS_STREAM,
    PersonalDataErased,
    StoredEvent,
    quote_stream_of,
    stream_of,
)
from oms_engine.domain.upcasting import UPCASTERS
from oms_engine.domain.vocabulary import OPEN_STATES
from oms_engine.errors import Refused, StoreUnavailable, problem_of, shown
from oms_engine.record import Record, digest
from oms_engine.storage import snapshots
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.outbox import block_erased
from oms_engine.storage.rebuilding import ReadModel, give_up
from oms_engine.storage.sealing import BEGINS, scoped_accounts, sealed_from

_LAST = 2**63 - 1
_STREAMS_AT_ONCE = 500
_MOST_NAMED = 5
_SEALS = BEGINS + "%"


class Request(NamedTuple):
    """Who wants what to be erased, when, and why."""

    account: str
    command_id: str
    actor: str
    reason: str | None
    now: datetime


class Erased(Record):
    """What was destroyed with the key of an account, or would be."""

    key_id: str = Field(description="the key; events that it sealed name it")
    orders: int = Field(description="orders whose account and texts are null now")
    quote_requests: int = Field(description="quote requests whose account is null now")
    settings: bool = Field(description="whether a limit was set for the account; it holds no more")
    messages: int = Field(description="messages for other systems that were blocked")
    position: int = Field(description="position of the event that tells of it")
    dry_run: bool = Field(description="whether nothing was erased")


def erase(store: EventStore, request: Request, *, dry_run: bool) -> tuple[Erased, StoredEvent]:
    """Destroy the personal data of an account; returns what was destroyed, and the event that tells of it.

    Args:
        store: The store, which must be sealed.
        request: What is asked.
        dry_run: Take everything back at the end.

    Raises:
        Refused: OMS-VAL-004 nothing of the account is kept, its data stands in plain, or the reason names it;
            OMS-STATE-002 it has open orders.
        StoreError: The store could not be written; nothing was erased.
    """
    with _zeroed(store), store.writing():
        found = _Found.of(store.connection, request)
        done, event = _destroy(store, request, found)
        if not dry_run:
            store.commit()
            store.forget()
    return done.but(dry_run=dry_run), event


@contextmanager
def _zeroed(store: EventStore) -> Iterator[None]:
    """What is deleted is overwritten in its page at once, not only when the file is compacted."""
    with store.alone() as connection:
        before = connection.execute("PRAGMA secure_delete").fetchone()[0]
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        try:
            yield
        finally:
            connection.execute(f"PRAGMA secure_delete = {('OFF', 'ON', 'FAST')[before]}").fetchone()


class _Found(NamedTuple):
    """What a store keeps of an account: the key, the streams, and the changes of settings that name it."""

    key_id: str
    orders: Sequence[str]
    quote_requests: Sequence[str]
    settings: bool

    @property
    def streams(self) -> list[str]:
        return [*map(stream_of, self.orders), *map(quote_stream_of, self.quote_requests)]

    @classmethod
    def of(cls, connection: sqlite3.Connection, request: Request) -> "_Found":
        """Look it up; raises Refused where it cannot be erased."""
        account = request.account
        _require_sealed(connection, account)
        if request.reason is not None:
            _require_silent(request.reason, account)
        key = connection.execute("SELECT key_id FROM account_keys WHERE account = ?", (account,)).fetchone()
        if key is None:
            raise refused_value(
                "account",
                f"nothing of account {shown(account)} is kept here, or it was erased already; nothing was changed",
            )
        asked = "SELECT order_id, state FROM orders WHERE account = ? ORDER BY id"
        orders = connection.execute(asked, (account,)).fetchall()
        _require_ended([order_id for order_id, state in orders if state in OPEN_STATES])
        asked = "SELECT quote_req_id FROM quote_requests WHERE account = ? ORDER BY id"
        requests = connection.execute(asked, (account,)).fetchall()
        named = "SELECT 1 FROM events WHERE stream_id = ? AND payload LIKE ? AND instr(payload, ?) LIMIT 1"
        settings = connection.execute(named, (SETTINGS_STREAM, _SEALS, key[0])).fetchone()
        return cls(key[0], [row[0] for row in orders], [row[0] for row in requests], settings is not None)


def _require_sealed(connection: sqlite3.Connection, account: str) -> None:
    first = sealed_from(connection)
    way_out = (
        "an event is never changed, so export the store, import it into a new file with "
        "--set store.personalData=sealed, which seals everything on the way, and erase there"
    )
    if first is None:
        raise refused_value(
            "account", f"personal data stands in plain in this store, so none of it can be erased; {way_out}"
        )
    plain = _plain(connection, account, first)
    if plain:
        raise refused_value(
            "account",
            f"{plain} events before position {first}, where sealing began, name account {shown(account)} in plain; "
            f"{way_out}",
        )


def _plain(connection: sqlite3.Connection, account: str, first: int) -> int:
    """How many events name an account in plain, from the time before the store was sealed."""
    named = connection.execute(
        "SELECT count(*) FROM events WHERE position < ? AND type IN ('OrderCreated', 'QuoteRequested') "
        "AND json_extract(payload, '$.account') = ?",
        (first, account),
    ).fetchone()[0]
    changed = connection.execute(
        "SELECT payload FROM events WHERE stream_id = ? AND position < ?", (SETTINGS_STREAM, first)
    )
    return int(named) + sum(account in scoped_accounts(payload) for (payload,) in changed)


def _require_silent(reason: str, account: str) -> None:
    """The reason is kept for ever, so it must not say what is erased."""
    if re.search(rf"(?<!\w){re.escape(account)}(?!\w)", reason, re.IGNORECASE):
        raise refused_value("reason", "the reason names the account, and it is kept; say why without saying who")


def _require_ended(open_orders: Sequence[str]) -> None:
    if open_orders:
        more = f" and {len(open_orders) - _MOST_NAMED} more" if len(open_orders) > _MOST_NAMED else ""
        named = ", ".join(open_orders[:_MOST_NAMED]) + more
        message = f"the desk still works orders of the account: {named}; cancel them or let them end, then erase"
        raise Refused(problem_of([violation("LIF-02", "OMS-STATE-002", "account", message)]))


def _destroy(store: EventStore, request: Request, found: _Found) -> tuple[Erased, StoredEvent]:
    connection, streams = store.connection, found.streams
    connection.execute("DELETE FROM account_keys WHERE key_id = ?", (found.key_id,))
    give_up(connection)
    event = _append(store, request, found)
    _write_rows_anew(connection, streams)
    for stream_id in [*streams, SETTINGS_STREAM] if found.settings else streams:
        snapshots.drop(connection, stream_id)
        connection.execute("UPDATE parked_events SET error = 'erased' WHERE stream_id = ?", (stream_id,))
        connection.execute(
            "UPDATE commands SET payload_hash = '' WHERE command_id IN "
            "(SELECT command_id FROM events WHERE stream_id = ? AND payload LIKE ? AND instr(payload, ?))",
            (stream_id, _SEALS, found.key_id),
        )
    done = Erased(
        key_id=found.key_id,
        orders=len(found.orders),
        quote_requests=len(found.quote_requests),
        settings=found.settings,
        messages=block_erased(connection, streams, request.now),
        position=event.position,
        dry_run=False,
    )
    return done, event


def _append(store: EventStore, request: Request, found: _Found) -> StoredEvent:
    """Write down that a key was destroyed, without saying whose it was."""
    payload = PersonalDataErased(
        key_id=found.key_id,
        orders=len(found.orders),
        quote_requests=len(found.quote_requests),
        reason=request.reason,
    )
    before = store.state(PRIVACY_STREAM)
    event = StoredEvent.of(
        position=store.next_position(),
        stream_id=PRIVACY_STREAM,
        version=before.version + 1 if before else 1,
        type=payload.type,
        schema_version=UPCASTERS.version(payload.type),
        payload=payload,
        command_id=request.command_id,
        correlation_id=request.command_id,
        causation_id=request.command_id,
        actor=request.actor,
        recorded_at=store.not_before(request.now),
    )
    store.append([event])
    store.remember(request.command_id, digest({"erased": found.key_id}), PRIVACY_STREAM, [event])
    return event


def _write_rows_anew(connection: sqlite3.Connection, streams: Sequence[str]) -> None:
    """Write what the events say without the key over the rows that are there."""
    for first in range(0, len(streams), _STREAMS_AT_ONCE):
        failed = ReadModel().again(connection, "", streams[first : first + _STREAMS_AT_ONCE], _LAST)
        if failed:
            raise StoreUnavailable(
                f"the rows of {shown(failed[0].stream_id)} cannot be written anew, so nothing was erased; "
                "run oms verify, repair what it finds, then erase again"
            )
