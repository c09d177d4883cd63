"""Which messages are replayed at all, and why are the others not?"""

from oms_engine.simulation.fix.account import SESSION_MESSAGE
from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.tags import (
    BEGIN_STRING,
    EXEC_TYPES,
    MSG_TYPES,
    REQUESTS,
    SESSION_TYPES,
    STATELESS,
    tag_name,
)

SHOWN = 64
"""Characters of a value of the log that a sentence shows at most."""

REPORT, REJECT, STATUS_REQUEST = "8", "9", "H"

Reason = tuple[str, str]
"""A kind of reason, and what is to say of the message at hand."""


def without_sides(message: Message) -> Reason | None:
    """Does the message not say what it is, or who sends it to whom? Then not even its number can be judged."""
    for tag in (35, 49, 56):
        if not message.get(tag):
            return f"{tag_name(tag)} is missing", f"{tag_name(tag)} is missing"
    return None


def not_replayed(message: Message) -> Reason | None:
    """Why a message is not replayed, whatever order it is about; None when it is."""
    if message.get(8) != BEGIN_STRING:
        return f"BeginString (8) is not {BEGIN_STRING}", f"BeginString (8) is {message.get(8)[:SHOWN]}"
    if message.type in {REPORT, REJECT, *REQUESTS} - {STATUS_REQUEST}:
        return _without_order(message) or (_exec_type(message) if message.type == REPORT else None)
    if message.type in SESSION_TYPES:
        return SESSION_MESSAGE, _session_message(message)
    if message.type == STATUS_REQUEST:
        return "OrderStatusRequest (H)", "OrderStatusRequest asks, and changes nothing"
    return "other MsgType", f"MsgType (35) {message.type[:SHOWN]} is none of those that are read here"


def _without_order(message: Message) -> Reason | None:
    if message.type in REQUESTS and not message.get(11):
        return "no ClOrdID (11)", "a request needs ClOrdID (11)"
    if not (message.get(11) or message.get(37)):
        return "no order named", "neither ClOrdID (11) nor OrderID (37) names an order"
    return None


def _exec_type(message: Message) -> Reason | None:
    kind = message.get(150)
    if kind in STATELESS:
        return (
            f"{EXEC_TYPES[kind][0]} ({kind})",
            f"ExecType (150) {EXEC_TYPES[kind][0]}: orders have no such state here",
        )
    if kind in EXEC_TYPES:
        return None
    return "other ExecType", f"ExecType (150) {kind[:SHOWN] or 'is missing, and nothing else'} is none of FIX 4.4"


def _session_message(message: Message) -> str:
    """What a message about the connection says."""
    name = MSG_TYPES[message.type]
    if message.type in {"3", "j"}:
        about = f"{name} of MsgSeqNum {message.get(45)[:SHOWN] or 'unknown'} ({message.get(372)[:SHOWN] or 'any type'})"
        return f"{about}: {message.get(58)[:SHOWN] or 'no text'}; its order stays as it was"
    return name
