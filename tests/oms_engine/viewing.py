"""How do the tests listen? A view that messages build, and that complains about every message that does not fit."""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

from oms_engine import Engine, StreamMessage, Subscription
from oms_engine.streaming.subscription import Waits

DEADLINE = 20.0
_MOMENT = 0.005

ObjectId = tuple[str | None, str | None]


class View:
    """What a subscriber knows who does what the messages say."""

    def __init__(self) -> None:
        self.shown: dict[ObjectId, dict[str, Any]] = {}
        self.versions: dict[ObjectId, int] = {}
        self.complete = False

    def apply(self, message: StreamMessage) -> None:
        wire = message.to_wire()
        name = message.key, message.exec_id
        match wire["type"]:
            case "SNAPSHOT":
                assert not self.complete
                assert name not in self.shown
            case "UPDATE":
                assert [event["version"] for event in wire["events"]][-1] == wire["version"]
                assert wire["fromVersion"] == wire["events"][0]["version"] > self.versions.get(name, 0)
            case "LEAVE":
                assert name in self.shown
                assert "state" not in wire
                del self.shown[name]
            case "SNAPSHOT_END":
                self.complete = True
                return
            case _:
                return
        assert wire["version"] > self.versions.get(name, 0), "versions of a key grow"
        self.versions[name] = wire["version"]
        if "state" in wire:
            self.shown[name] = wire["state"]


def drained(subscription: Subscription, engine: Engine) -> list[StreamMessage]:
    """Everything there is to hear of what is stored now."""
    last = engine.counts()["events"]
    found: list[StreamMessage] = []
    ends = time.monotonic() + DEADLINE
    while (subscription.position or 0) < last:
        message = subscription.take(timeout=_MOMENT)
        if message is not None:
            found.append(message)
        assert time.monotonic() < ends, "the subscription stays behind"
    return found


def rows(engine: Engine, entity: str, where: list[str]) -> dict[ObjectId, Mapping[str, Any]]:
    """What matches now, by the store's own answer."""
    found: dict[ObjectId, Mapping[str, Any]] = {}
    for record in engine.query(entity=entity, where=where, size=500).content:
        wire = record.to_wire()
        if entity == "quote_request":
            quotes = engine.query(entity="quote", where=[f"quoteReqId={wire['quoteReqId']}"], sort="id", size=500)
            wire["quotes"] = [quote.to_wire() for quote in quotes.content]
        name = wire["quoteReqId"] if entity == "quote_request" else wire["orderId"]
        found[name, wire["execId"] if entity == "execution" else None] = wire
    return found


class FakeWaits(Waits):
    """Time that passes only by waiting: whoever waits is at the end of it at once, unless something happens."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def block(self, changed: threading.Condition, seconds: float | None) -> None:
        del changed
        assert seconds is not None
        self.time += seconds

    async def pause(self, ready: asyncio.Event, seconds: float) -> None:
        del ready
        self.time += seconds
