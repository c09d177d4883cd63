"""What does one of many processes do that write and read one file?

`python -m tests.oms_engine.crowd NAME PATH SECONDS`

It fills orders that all share, by orders of its own and in batches, asks questions, and follows every change. When its
time is over it says what it did; when it is told the last position it follows up to there and says what it saw.
"""

import asyncio
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from oms_engine import CommandResult, Engine

SHARED = tuple(f"shared-{number}" for number in range(10))
BATCH = 5
AT_ONCE = 8

Envelope = dict[str, Any]


class Member:
    """One process of the crowd.

    Attributes:
        did: What was done how often, by kind; refusals by the code of their error.
        fills: How many fills of 1 each shared order got from here.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.engine = Engine.open(path, settings={"stream.queue": 1_000_000}, session_id=name)
        self.did: Counter[str] = Counter()
        self.fills: Counter[str] = Counter()
        self.slowest = 0.0
        self._chance = random.Random(name)  # noqa: S311 - which order comes next is no secret
        self._number = 0

    def work(self, seconds: float) -> None:
        """Write and read until the time is over."""
        kinds = (self.fill, self.fill_what_was_read, self.trade, self.fill_many, self.fill_together, self.ask)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            kind = self._chance.choice(kinds)
            kind()
            self.did[kind.__name__] += 1

    def fill(self) -> None:
        """Fill a shared order, whatever happened to it."""
        envelope = self._fill_of(self._chance.choice(SHARED))
        self._booked(envelope, self._execute(envelope))

    def fill_what_was_read(self) -> None:
        """Fill a shared order as it was read; read it again when somebody else was faster."""
        envelope = self._fill_of(self._chance.choice(SHARED))
        order_id = envelope["execution"]["orderId"]
        while True:
            envelope["expectedVersion"] = self.engine.find(order_id).version
            result = self._execute(envelope)
            if result.ok or result.error is None or result.error.error_code != "OMS-LOCK-001":
                self._booked(envelope, result)
                return
            self.did["retry"] += 1

    def trade(self) -> None:
        """Take an order of one's own from its creation to its end."""
        self._number += 1
        order_id = f"{self.name}-{self._number}"
        order = {"orderId": order_id, "clOrdId": order_id, "account": self.name, "symbol": "IBM", "side": "BUY"}
        terms = {"ordType": "LIMIT", "orderQty": "10", "price": "5"}
        fill = {"orderId": order_id, "execId": order_id, "lastQty": "10", "lastPx": "5"}
        self._execute({"type": "OrderCreateCmd", "order": order | terms})
        self._execute({"type": "OrderAcceptCmd", "orderId": order_id})
        self._execute({"type": "ExecutionCreateCmd", "execution": fill})

    def fill_many(self) -> None:
        """Fill some shared orders in one transaction."""
        envelopes = [self._fill_of(self._chance.choice(SHARED)) for _ in range(BATCH)]
        began = time.monotonic()
        batch = self.engine.execute_many(envelopes)
        self.slowest = max(self.slowest, time.monotonic() - began)
        for envelope, outcome in zip(envelopes, batch.outcomes, strict=True):
            self._booked(envelope, outcome.result)

    def fill_together(self) -> None:
        """Fill some shared orders for callers who wait at the same time."""
        envelopes = [self._fill_of(self._chance.choice(SHARED)) for _ in range(AT_ONCE)]

        async def all_of_them() -> list[CommandResult]:
            return await asyncio.gather(*map(self.engine.submit, envelopes))

        began = time.monotonic()
        results = asyncio.run(all_of_them())
        self.slowest = max(self.slowest, time.monotonic() - began)
        for envelope, result in zip(envelopes, results, strict=True):
            self._booked(envelope, result)

    def ask(self) -> None:
        """Read a page, an order with its history, and the last events."""
        page = self.engine.query(where=["state=LIVE"], size=20)
        assert page.page.total_elements == len(SHARED) or page.content
        order = self.engine.state_at(self._chance.choice(SHARED))
        assert order is not None
        assert order.order.cum_qty == len(order.executions)
        self.engine.history(order.order.order_id)

    def _fill_of(self, order_id: str) -> Envelope:
        self._number += 1
        fill = {"orderId": order_id, "execId": f"{self.name}-{self._number}", "lastQty": "1", "lastPx": "5"}
        return {"type": "ExecutionCreateCmd", "execution": fill}

    def _execute(self, envelope: Envelope) -> CommandResult:
        began = time.monotonic()
        result = self.engine.execute(envelope)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if result.error is not None and result.error.error_code != "OMS-LOCK-001":
            self.did[result.error.error_code] += 1
        return result

    def _booked(self, envelope: Envelope, result: CommandResult) -> None:
        if result.ok:
            self.fills[envelope["execution"]["orderId"]] += 1
        elif result.error is not None:
            self.did[f"not booked: {result.error.error_code}"] += 1


class Witness(threading.Thread):
    """Follows every order, and notes each event that it is told."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[int, str, int]] = []
        self.whole = True
        self.following = engine.follow(include_snapshot=False)
        self.until = threading.Event()
        self.last = 0

    def run(self) -> None:
        """Take messages until the last position has been reached."""
        while not (self.until.is_set() and self.following.position == self.last):
            message = self.following.take(timeout=0.2)
            if message is None or message.key is None:
                continue
            self.whole &= bool(message.events)
            self.seen.extend((event.position, event.stream_id, event.version) for event in message.events)


def lines() -> Iterator[str]:
    """What the driver says."""
    return map(str.strip, sys.stdin)


def main() -> None:
    """Say `ready`; work when told to, and say what was done; follow up to a position, and say what was seen."""
    name, path, seconds = sys.argv[1:]
    member = Member(name, path)
    witness = Witness(member.engine)
    witness.start()
    print("ready", flush=True)  # noqa: T201 - the driver waits for it
    told = lines()
    next(told)
    member.work(float(seconds))
    did = {"did": member.did, "fills": member.fills, "slowest": member.slowest}
    print(json.dumps(did), flush=True)  # noqa: T201 - as above
    witness.last = int(next(told))
    witness.until.set()
    witness.join()
    print(json.dumps({"seen": witness.seen, "whole": witness.whole}), flush=True)  # noqa: T201 - as above
    witness.following.close()
    member.engine.close()


if __name__ == "__main__":
    main()
