"""Which tables does a store have, and how does an older file become a current one?

The schema is a list of small numbered migrations; `CURRENT` is what they lead to, and a test compares the two. A store
in memory is created from `CURRENT` at once; a file is migrated with sqlite-utils, imported only when that is due.
"""

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from oms_engine.domain.filters import ENTITIES, FieldType
from oms_engine.errors import StoreUnavailable
from oms_engine.storage.codec import decimal_sql

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x4F4D5331
"""Marks a file as one of ours (PRAGMA application_id): the letters OMS1."""

VERSION = 3
"""Version of the schema (PRAGMA user_version): the number of the last migration."""

_TABLES = """
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  type TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  payload TEXT NOT NULL,
  command_id TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  causation_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  UNIQUE (stream_id, version)
);
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TABLE commands (
  command_id TEXT PRIMARY KEY,
  payload_hash TEXT NOT NULL,
  stream_id TEXT NOT NULL,
  first_position INTEGER NOT NULL,
  last_position INTEGER NOT NULL
) WITHOUT ROWID;
"""

_UPKEEP = """
CREATE TABLE snapshots (
  stream_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  schema_version INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (stream_id, version)
) WITHOUT ROWID;
CREATE TABLE chain (
  position INTEGER PRIMARY KEY,
  hash BLOB NOT NULL
);
CREATE TRIGGER chain_is_not_changed BEFORE UPDATE ON chain
BEGIN SELECT RAISE(ABORT, 'the chain is append-only'); END;
CREATE TRIGGER chain_is_not_deleted BEFORE DELETE ON chain
BEGIN SELECT RAISE(ABORT, 'the chain is append-only'); END;
CREATE TABLE account_keys (
  key_id TEXT PRIMARY KEY,
  account TEXT NOT NULL UNIQUE,
  secret BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE sinks (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  target TEXT,
  topics TEXT NOT NULL,
  registered_at TEXT NOT NULL,
  filled_to INTEGER NOT NULL,
  live_from INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sink TEXT NOT NULL,
  topic TEXT NOT NULL,
  key TEXT NOT NULL,
  stream_id TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  version INTEGER NOT NULL,
  position INTEGER NOT NULL,
  payload TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt_at TEXT,
  last_error TEXT,
  parked_at TEXT,
  UNIQUE (sink, topic, key, version)
);
CREATE INDEX outbox_in_order ON outbox (sink, position);
CREATE INDEX outbox_delayed ON outbox (sink, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX outbox_parked ON outbox (sink, key) WHERE parked_at IS NOT NULL;
CREATE TABLE outbox_claims (
  sink TEXT NOT NULL,
  key TEXT NOT NULL,
  owner TEXT NOT NULL,
  until TEXT NOT NULL,
  PRIMARY KEY (sink, key)
) WITHOUT ROWID;
CREATE TABLE outbox_dropped (
  id INTEGER PRIMARY KEY,
  sink TEXT NOT NULL,
  topic TEXT,
  key TEXT,
  stream_id TEXT,
  from_version INTEGER,
  version INTEGER,
  position INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  last_error TEXT,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  dropped_at TEXT NOT NULL
);
CREATE TABLE projections (
  name TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  rebuilt_at TEXT
) WITHOUT ROWID;
CREATE TABLE parked_events (
  projection TEXT NOT NULL,
  stream_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  error TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  parked_at TEXT NOT NULL,
  PRIMARY KEY (projection, stream_id)
) WITHOUT ROWID;
CREATE TABLE store_facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
"""
"""What the store keeps beside events and read model."""

OPEN = "state IN ('NEW', 'UNACK', 'LIVE')"
"""Which orders are in the index of open orders; SQLite takes it only where a statement says so word for word."""

WAITING = "cancel_state IN ('PCXL', 'PMOD')"
"""Which orders are in the index of requests without an answer, likewise."""

READ_MODEL = f"""
CREATE TABLE client_order_ids (
  session_id TEXT NOT NULL,
  cl_ord_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  payload_hash TEXT NOT NULL,
  PRIMARY KEY (session_id, cl_ord_id)
) WITHOUT ROWID;
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  cl_ord_id TEXT NOT NULL,
  root_order_id TEXT NOT NULL,
  leg TEXT NOT NULL,
  role TEXT NOT NULL,
  account TEXT,
  symbol TEXT NOT NULL,
  side TEXT NOT NULL,
  ord_type TEXT NOT NULL,
  order_qty TEXT,
  time_in_force TEXT NOT NULL,
  handl_inst TEXT NOT NULL,
  auto_allocation INTEGER NOT NULL,
  auto_forward INTEGER NOT NULL,
  security_id TEXT,
  security_id_source TEXT,
  security_type TEXT,
  asset_class TEXT,
  security_desc TEXT,
  security_exchange TEXT,
  ex_destination TEXT,
  settl_currency TEXT,
  text TEXT,
  price TEXT,
  stop_px TEXT,
  price_type TEXT,
  expire_time TEXT,
  exec_inst TEXT,
  settl_type TEXT,
  settl_date TEXT,
  maturity_date TEXT,
  locate_id TEXT,
  max_floor TEXT,
  position_effect TEXT,
  put_or_call INTEGER,
  strike_price TEXT,
  maturity_month_year TEXT,
  underlying_security_type TEXT,
  sending_time TEXT,
  cash_order_qty TEXT,
  quote_id TEXT,
  parent_order_id TEXT,
  version INTEGER NOT NULL,
  state TEXT NOT NULL,
  cancel_state TEXT,
  orig_cl_ord_id TEXT,
  pending_replace TEXT,
  cum_qty TEXT NOT NULL,
  leaves_qty TEXT,
  avg_px TEXT NOT NULL,
  place_qty TEXT NOT NULL,
  alloc_qty TEXT NOT NULL,
  pending_alloc_qty TEXT NOT NULL,
  alloc_state TEXT,
  group_order_id TEXT,
  grouped_at TEXT,
  grouped_by TEXT,
  is_grouped_order INTEGER NOT NULL,
  member_count INTEGER,
  transact_time TEXT NOT NULL,
  tif_timestamp TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (order_id)
);
CREATE INDEX orders_by_symbol ON orders (symbol, created_at);
CREATE INDEX orders_by_state ON orders (state, created_at);
CREATE INDEX orders_by_account ON orders (account, created_at);
CREATE INDEX orders_by_symbol_and_state ON orders (symbol, state, created_at, id, price);
CREATE INDEX orders_by_creation ON orders (created_at);
CREATE INDEX orders_by_price ON orders (price);
CREATE INDEX orders_by_cl_ord_id ON orders (cl_ord_id);
CREATE INDEX orders_by_root ON orders (root_order_id) WHERE parent_order_id IS NOT NULL;
CREATE INDEX orders_by_group ON orders (group_order_id) WHERE group_order_id IS NOT NULL;
CREATE INDEX orders_open ON orders (account, created_at) WHERE {OPEN};
CREATE INDEX orders_waiting ON orders (cancel_state) WHERE {WAITING};
CREATE TABLE executions (
  id INTEGER PRIMARY KEY,
  exec_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  symbol TEXT NOT NULL,
  last_qty TEXT NOT NULL,
  last_px TEXT NOT NULL,
  exec_type TEXT NOT NULL,
  cum_qty TEXT NOT NULL,
  leaves_qty TEXT NOT NULL,
  avg_px TEXT NOT NULL,
  last_mkt TEXT,
  last_capacity TEXT,
  secondary_exec_id TEXT,
  day_order_qty TEXT,
  day_cum_qty TEXT,
  day_avg_px TEXT,
  transact_time TEXT NOT NULL,
  received_at TEXT NOT NULL,
  status TEXT NOT NULL,
  orig_last_qty TEXT,
  orig_last_px TEXT,
  status_reason TEXT,
  requested_by TEXT,
  approved_by TEXT,
  status_at TEXT,
  UNIQUE (order_id, exec_id)
);
CREATE INDEX executions_by_exec_id ON executions (exec_id);
CREATE INDEX executions_by_symbol ON executions (symbol);
CREATE TABLE allocations (
  id INTEGER PRIMARY KEY,
  giver_order_id TEXT NOT NULL,
  receiver_order_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  exec_id TEXT NOT NULL,
  quantity TEXT NOT NULL,
  price TEXT NOT NULL,
  status TEXT NOT NULL,
  approved_by TEXT,
  created_at TEXT NOT NULL,
  reversed_at TEXT
);
CREATE INDEX allocations_by_giver ON allocations (giver_order_id, order_id, exec_id);
CREATE INDEX allocations_by_receiver ON allocations (receiver_order_id, id);
CREATE TABLE quote_requests (
  id INTEGER PRIMARY KEY,
  quote_req_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  symbol TEXT NOT NULL,
  quantity TEXT NOT NULL,
  side TEXT,
  currency TEXT,
  account TEXT,
  valid_until TEXT,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (quote_req_id)
);
CREATE TABLE quotes (
  id INTEGER PRIMARY KEY,
  quote_id TEXT NOT NULL,
  quote_req_id TEXT NOT NULL,
  price TEXT NOT NULL,
  price_type TEXT,
  quantity TEXT NOT NULL,
  currency TEXT,
  valid_until TEXT,
  quoted_by TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (quote_id)
);
CREATE INDEX quotes_by_request ON quotes (quote_req_id, id);
"""


def _view(entity: str, table: str) -> str:
    """A view with the names of the wire and plain decimals, for people who open the file with any SQLite tool."""
    fields = ENTITIES[entity].fields.values()
    columns = ", ".join(
        f'{decimal_sql(f.attribute) if f.type is FieldType.DECIMAL else f.attribute} AS "{f.name}"' for f in fields
    )
    return f"CREATE VIEW {entity}_view AS SELECT {columns} FROM {table};\n"  # noqa: S608 - names of our own fields


DROP_GUARDS = tuple(
    f"DROP TRIGGER {name}" for name in re.findall(r"CREATE TRIGGER (\w+_not_deleted)", _TABLES + _UPKEEP)
)
"""What takes away the triggers that keep events and chain from being deleted: for a copy that is thrown away."""

READ_MODEL_TABLES = ("orders", "executions", "allocations", "quote_requests", "quotes", "client_order_ids")
"""What can be written anew from the events."""

_READ = READ_MODEL + "".join(
    _view(entity, table)
    for entity, table in (
        ("order", "orders"),
        ("execution", "executions"),
        ("allocation", "allocations"),
        ("quote_request", "quote_requests"),
        ("quote", "quotes"),
    )
)

CURRENT = _TABLES + _UPKEEP + _READ

OUR_TABLES = frozenset(re.findall(r"CREATE (?:TABLE|VIEW) (\w+)", CURRENT))
"""The names that a store uses itself."""

Refill = Callable[[sqlite3.Connection], object]
"""Writes the read model of a database from its events."""


Now = Callable[[], datetime]
"""Gives the time; asked only when a file is migrated, so that nothing in a store comes from another clock."""


def utc_now() -> datetime:
    """The time of this machine in UTC."""
    return datetime.now(UTC)


def prepare(
    connection: sqlite3.Connection, *, in_memory: bool, refill: Refill | None = None, now: Now = utc_now
) -> None:
    """Bring a database to the current schema; a foreign or newer one is refused and left as it is.

    An older one needs `refill`, because its read model has other tables; without it that is refused too.
    """
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version < VERSION:  # another process may have been faster
            if in_memory:
                run_script(connection, CURRENT)
            else:
                migrate(connection, version, now)
            if version:
                _refilled(connection, refill)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # where a disk is full SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _refilled(connection: sqlite3.Connection, refill: Refill | None) -> None:
    if refill is None:
        raise StoreUnavailable(
            "the file has an older schema; open it with an engine, which upgrades it",
            remedy="make a backup of the file, then run oms projections status on it, which upgrades it",
            lasts=True,
        )
    refill(connection)


def _version(connection: sqlite3.Connection) -> int:
    """The schema version of a database, 0 for an empty one; read at once: another process may be migrating."""
    application, version, tables = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), "
        "(SELECT count(*) FROM sqlite_master)"
    ).fetchone()
    if not (tables or application or version):
        return 0
    if application != APPLICATION_ID:
        raise StoreUnavailable(
            "the file is a database of another program; it was left as it is. Choose another file",
            remedy="name another file",
            lasts=True,
        )
    if version > VERSION:
        raise StoreUnavailable(
            f"the file has schema version {version}, this program knows versions up to {VERSION}; "
            "it was left as it is. Upgrade oms-mcp",
            remedy="upgrade oms-mcp; the file is not at fault",
            lasts=True,
        )
    return int(version)


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run the statements of a script one by one, inside the transaction that is open."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def migrate(connection: sqlite3.Connection, version: int, now: Now = utc_now) -> None:
    """Apply the migrations that a file does not have yet; its read model is left empty."""
    from sqlite_utils import Database as Utils  # noqa: PLC0415 - costs .1 s and is needed only for a new or older file
    from sqlite_utils import Migrations  # noqa: PLC0415 - as above

    migrations = Migrations("oms")

    @migrations(name="0001_events_and_read_model")
    def _(database: "Database") -> None:
        run_script(database.conn, CURRENT)

    @migrations(name="0002_trees_groups_and_quotes")
    def _(database: "Database") -> None:
        if version:
            _drop_read_model(database.conn)
            run_script(database.conn, _READ)

    @migrations(name="0003_upkeep")
    def _(database: "Database") -> None:
        if version:
            run_script(database.conn, _UPKEEP)
        if version > 1:
            _drop_read_model(database.conn)
            run_script(database.conn, _READ)

    before = len(migrations.applied(Utils(connection)))
    migrations.apply(Utils(connection))
    connection.execute("UPDATE _sqlite_migrations SET applied_at = ? WHERE id > ?", (str(now()), before))


def _drop_read_model(connection: sqlite3.Connection) -> None:
    """Drop what can be written anew, in whatever version of the schema it stands."""
    for kind, name in connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'table')"
    ).fetchall():
        if kind == "view" or name in READ_MODEL_TABLES:
            connection.execute(f"DROP {kind} {name}")
