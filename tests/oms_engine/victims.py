"""Which processes are killed while they write? `python -m tests.oms_engine.victims` forks one for each line it reads.

Python and the engine are loaded once, so that hundreds can be killed in a few seconds. A victim opens the store itself,
works until it is killed, and says on standard output what was acknowledged; nothing is said before that.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator

from oms_engine import CommandResult, Engine
from oms_engine.errors import StoreBusy

SHARED = "shared"
BATCH = 20
CALLERS = 16

Envelope = dict[str, object]


def say(*words: object) -> None:
    """One line, written at once and whole."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def acknowledge(command: Envelope, result: CommandResult) -> None:
    """Say that a command was carried out; a refused one is a failure of the test."""
    if not result.ok:
        say("failed", command, result.message)
    say("done", command["commandId"])


def commands(name: str) -> Iterator[Envelope]:
    """Orders that are created, accepted and filled in two parts, and a fill of 1 of an order that all share."""
    number = 0
    while True:
        number += 1
        order_id = f"{name}-{number}"
        order = {
            "orderId": order_id,
            "clOrdId": order_id,
            "account": "ACC",
            "symbol": "IBM",
            "side": "BUY",
            "ordType": "LIMIT",
            "orderQty": "10",
            "price": "5",
        }
        yield envelope("OrderCreateCmd", order_id, 1, order=order)
        yield envelope("OrderAcceptCmd", order_id, 2, orderId=order_id)
        for step, filled in ((3, order_id), (4, SHARED), (5, order_id)):
            quantity = "1" if filled == SHARED else "5"
            fill = {"orderId": filled, "execId": f"{order_id}-{step}", "lastQty": quantity, "lastPx": "5"}
            yield envelope("ExecutionCreateCmd", order_id, step, execution=fill)


def envelope(kind: str, order_id: str, step: int, **fields: object) -> Envelope:
    """A command with an id that says whose it is and which."""
    return {"type": kind, "commandId": f"{order_id}-{step}", **fields}


def one_by_one(engine: Engine, name: str) -> None:
    """A commit for each command."""
    for command in commands(name):
        acknowledge(command, engine.execute(command))


def in_batches(engine: Engine, name: str) -> None:
    """A commit for many commands."""
    source = commands(name)
    while True:
        batch = [next(source) for _ in range(BATCH)]
        for command, outcome in zip(batch, engine.execute_many(batch).outcomes, strict=True):
            acknowledge(command, outcome.result)


def together(engine: Engine, name: str) -> None:
    """Callers who wait for their commands at the same time, and share commits."""

    async def caller(number: int) -> None:
        for command in commands(f"{name}-{number}"):
            acknowledge(command, await engine.submit(command))

    async def all_callers() -> None:
        await asyncio.gather(*map(caller, range(CALLERS)))

    asyncio.run(all_callers())


def beside_a_rebuild(engine: Engine, name: str) -> None:
    """A commit for each command, while the read model is written anew again and again."""

    def rebuild() -> None:
        while True:
            try:
                engine.rebuild()
            except StoreBusy:  # the writer of the same process can hold the lock for long; it is tried again
                say("busy")
            except Exception as error:  # noqa: BLE001 - said, and so the test fails
                say("failed", "rebuild:", repr(error))
            else:
                say("rebuilt")

    threading.Thread(target=rebuild, daemon=True).start()
    one_by_one(engine, name)


KINDS: dict[str, Callable[[Engine, str], None]] = {
    "one-by-one": one_by_one,
    "in-batches": in_batches,
    "together": together,
    "beside-a-rebuild": beside_a_rebuild,
}


def main() -> None:
    """Fork a victim for each `KIND NAME PATH`, and say when it is gone."""
    for line in sys.stdin:
        kind, name, path = line.split(maxsplit=2)
        pid = os.fork()
        if pid == 0:
            say("pid", os.getpid())
            with Engine.open(path.rstrip("\n")) as engine:
                KINDS[kind](engine, name)
        os.waitpid(pid, 0)
        say("gone")


if __name__ == "__main__":
    main()
