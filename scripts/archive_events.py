"""How does an archive of events come to be? The commands of `commands.jsonl` are run, and what they write is exported.

Those of `sealed.jsonl` follow, with personal data sealed; then the account GONE is erased.

With a checkout of a released version in PYTHONPATH, `run` writes a file as that version did; `export`, with the present
version, makes the archive of it:

    git worktree add ../released 555b00f
    PYTHONPATH=../released python scripts/archive_events.py run schema_2.db
    PYTHONPATH=. python scripts/archive_events.py export schema_2.db tests/data/events/schema_2.jsonl

An archive of a released version is never written anew: it is what that version wrote. `fold` writes what all archives
lead to into `folded.jsonl`; a change there is a change of what old events mean, and has to be wanted.
"""

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from oms_engine import Engine, Page

EVENTS = Path(__file__).parent.parent / "tests" / "data" / "events"
START = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)


class _Clock:
    """A clock that moves a second whenever it is read."""

    def __init__(self) -> None:
        self._now = START

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def run(target: Path) -> None:
    """Carry out every command in a new file."""
    target.unlink(missing_ok=True)
    ids = iter(range(1, 1_000_000))
    clock = _Clock()
    for commands, settings in (("commands.jsonl", {}), ("sealed.jsonl", {"store.personalData": "sealed"})):
        with Engine.open(
            str(target),
            settings=settings,
            clock=clock,
            new_id=lambda prefix: f"{prefix}-{next(ids)}",
            session_id="desk",
        ) as engine:
            _execute(engine, EVENTS / commands)
            if settings:
                engine.erase("GONE", reason="asked for")


def _execute(engine: Engine, commands: Path) -> None:
    for line in commands.read_text(encoding="utf-8").splitlines():
        result = engine.execute(json.loads(line))
        if not result.ok:
            sys.exit(f"{line}\n{result.message}")


def load(script: Path, target: Path) -> None:
    """Make a file of its text, as schema_1.sql is one."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(target)) as connection:
        connection.executescript(script.read_text(encoding="utf-8"))


def export(source: Path, target: Path) -> None:
    """Write the archive of a file; it is brought to the present schema first, which leaves its events as they are."""
    with Engine.open(str(source)) as engine:
        engine.export(target, with_keys=True)


def fold(target: Path) -> None:
    """Write what every archive leads to."""
    lines = [json.dumps(line, ensure_ascii=False, sort_keys=True) for archive in archives() for line in folded(archive)]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def archives() -> list[Path]:
    """The archives, oldest first."""
    return sorted(EVENTS.glob("schema_*.jsonl"))


def folded(archive: Path) -> list[dict[str, object]]:
    """Every order with its executions, every quote request with its quotes and the settings, from an archive."""
    with Engine.open() as engine, archive.open("rb") as lines:
        engine.import_archive(lines)
        streams = dict.fromkeys(event.stream_id for event in engine.events(limit=1_000_000))
        return [{"archive": archive.stem, "stream": stream, **_told(engine, stream)} for stream in streams]


def _told(engine: Engine, stream: str) -> dict[str, object]:
    kind, _, name = stream.partition("-")
    match kind:
        case "order":
            return {"order": engine.find(name).to_wire(), "executions": [x.to_wire() for x in engine.executions(name)]}
        case "quote":
            asked = [f"quoteReqId={name}"]
            requests, quotes = (engine.query(entity=entity, where=asked) for entity in ("quote_request", "quote"))
            return {"requests": _wires(requests), "quotes": _wires(quotes)}
        case "privacy":
            return {"events": _wires(engine.query(entity="event", where=["streamId=privacy"]))}
        case _:
            prices = {symbol: str(price) for symbol, price in engine.posted_prices.items()}
            return {"values": engine.settings.given(), "prices": prices}


def _wires(page: Page) -> list[object]:
    return [record.to_wire() for record in page.content]


def main() -> None:
    """Read what is to be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "load", "export", "fold"])
    parser.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    work: Any = {"run": run, "load": load, "export": export, "fold": fold}[given.what]
    work(*given.files)


if __name__ == "__main__":
    main()
