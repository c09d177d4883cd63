"""How do sinks, and the messages that wait for them, look?"""

from collections.abc import Sequence

from oms_engine.domain.messages import TOPICS
from oms_mcp.printing.terminal import Wire, clean, counted, out, say, table, text_of

_RIGHT = ("waiting", "delayed", "parked", "dropped", "attempts", "version", "id")


def status(sinks: Sequence[Wire]) -> None:
    """The sinks with what waits for them."""
    if not sinks:
        say("no sink is registered, so no messages are kept; oms outbox add registers one")
        return
    rows = [
        [
            each["sink"]["name"],
            _topics(each["sink"]["topics"]),
            *(each[name] for name in ("waiting", "delayed")),
            text_of(each["parked"], "bold red" if each["parked"] else ""),
            each["dropped"],
            {"file": "a file", "stdout": "standard output", "callable": "a program"}[each["sink"]["kind"]],
        ]
        for each in sinks
    ]
    out().print(table(rows, "sink", "topics", "waiting", "delayed", "parked", "dropped", "to", right=_RIGHT))
    for each in sinks:
        if "target" in each["sink"]:
            say(f"{each['sink']['name']}: file {each['sink']['target']}")
        if each["backlog"]:
            say(f"{each['sink']['name']}: messages of {counted(each['backlog'], 'earlier event')} are still to be made")
        if "lastError" in each:
            say(f"{each['sink']['name']}: last error: {each['lastError']}")
        if "nextAttemptAt" in each:
            say(f"{each['sink']['name']}: next attempt at {each['nextAttemptAt']}")
        if each["erased"]:
            say(f"{each['sink']['name']}: {each['erased']} of the parked were erased and can only be dropped")


def _topics(names: Wire) -> str:
    if set(names) == set(TOPICS) and all(topic == name for topic, name in names.items()):
        return "all"
    return ", ".join(topic if topic == name else f"{topic} as {name}" for topic, name in names.items())


def failing(name: str, why: str) -> str:
    """That a sink does not take its messages."""
    return f"sink {name} failed: {clean(why)}; see oms outbox status"


def waiting(wire: Wire) -> str:
    """How many messages wait for a sink."""
    return f"{counted(wire['waiting'], 'message')} waiting"


def delivered(wire: Wire) -> str:
    """What a relay did."""
    said = f"{counted(wire['delivered'], 'message')} delivered"
    said += f", {wire['failed']} failed" if wire["failed"] else ""
    return said + (f", {wire['parked']} of them parked" if wire["parked"] else "")


def parked(messages: Sequence[Wire]) -> None:
    """Messages that wait for an operator."""
    if not messages:
        say("no message is parked")
        return
    rows = [[each[name] for name in ("id", "sink", "topic", "key", "version", "attempts")] for each in messages]
    for row, each in zip(rows, messages, strict=True):
        row.append(each.get("lastError", ""))
    heads = ("id", "sink", "topic", "key", "version", "attempts", "error")
    out().print(table(rows, *heads, right=_RIGHT))


def dropped(messages: Sequence[Wire]) -> None:
    """Messages that were given up, and why."""
    if not messages:
        say("no message was dropped")
        return
    rows = [
        [
            f"{each['droppedAt'].partition('.')[0]}Z",
            each["actor"],
            each["sink"],
            each.get("topic", "earlier events"),
            each.get("key", f"up to {each['position']}"),
            each.get("version"),
            each["reason"],
        ]
        for each in messages
    ]
    out().print(table(rows, "at", "by", "sink", "topic", "key", "version", "reason", right=("version",)))
