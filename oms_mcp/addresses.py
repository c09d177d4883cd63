"""What stands behind an address such as order://ORD-7, kb://concepts/executions.md?anchor=2-scope or spec://commands?"""

from urllib.parse import parse_qsl, unquote

from knowledge_base import Reading
from oms_engine import StoredEvent
from oms_engine.contracts import spec
from oms_engine.domain.catalogue import refused_value, violation
from oms_engine.domain.lifecycle import read_states
from oms_engine.errors import Refused, problem_of, shown
from oms_mcp.live import CHANGES, SETTINGS
from oms_mcp.seam import Backend, compact, without_paths
from oms_mcp.shapes import (
    Wire,
    all_settings_wire,
    history_wire,
    moment_wire,
    page_of,
    page_wire,
    seen_at,
    whole_order_wire,
)

STATUS = "oms://status"
INDEX = "kb://index"

_EXAMPLES = (
    "kb://index, kb://PATH?anchor=ANCHOR, order://ORDER_ID, order://ORDER_ID?as_of=v12, order://ORDER_ID/events, "
    f"orders://STATE?symbol=SYMBOL, {spec.EXAMPLES}, {STATUS}, {SETTINGS}, {CHANGES}"
)
_ORDERS = 50
"""Most orders that one address lists."""

_CHANGES = 50
"""Events that `oms://changes` shows."""


def open_address(
    backend: Backend, address: str, anchor: str = "", form: str = "", *, offset: int, limit: int
) -> Reading:
    """One page of what stands behind an address.

    Raises:
        Refused: OMS-ORDER-001 for an unknown order, OMS-VAL-004 for an address that leads nowhere or that does not have
            the format.
        KnowledgeBaseError: The knowledge base has no such document or section, or offset or limit is out of range.
    """
    if not address.startswith(spec.SCHEME):
        spec.require_text(form, address)
    if address.startswith("kb://"):
        path, own_anchor = kb_parts(address)
        if anchor and not path:
            raise refused_value("anchor", f"{shown(address)} has no sections; leave anchor out")
        require_one_anchor(own_anchor, anchor)
        return backend.library.read(path, own_anchor or anchor, offset=offset, limit=limit)
    if anchor:
        raise refused_value("anchor", f"{shown(address)} has no sections; leave anchor out")
    if address.startswith(spec.SCHEME):
        return page_of(address, spec.opened(address, form), offset, limit)
    return page_of(address, compact(open_json(backend, address)), offset, limit)


def open_json(backend: Backend, address: str) -> Wire:
    """What stands behind an address of the engine: an order, its events, the settings, or the server's status.

    Raises:
        Refused: OMS-ORDER-001 for an unknown order, OMS-VAL-004 for an address that leads nowhere.
    """
    if address == STATUS:
        return status(backend)
    if address == SETTINGS:
        return all_settings_wire(backend.engine)
    if address == CHANGES:
        return changes_json(backend)
    if address.startswith("order://"):
        path, _, query = address.removeprefix("order://").partition("?")
        order_id, _, part = path.partition("/")
        asked = parse_qsl(query, keep_blank_values=True)
        if part == "events" and not asked:
            return events_json(backend, unquote(order_id))
        if not part and [name for name, _ in asked] in ([], ["as_of"]):
            return order_json(backend, unquote(order_id), asked[0][1] if asked else "")
    if address.startswith("orders://"):
        state, _, query = address.removeprefix("orders://").partition("?")
        asked = parse_qsl(query, keep_blank_values=True)
        if [name for name, _ in asked] in ([], ["symbol"]):
            return orders_json(backend, unquote(state), asked[0][1] if asked else "")
    raise refused_value("path", f"{shown(address)} leads nowhere; addresses are {_EXAMPLES}")


def orders_json(backend: Backend, state: str, symbol: str = "") -> Wire:
    """The newest orders in a state, all or those of one symbol.

    Raises:
        Refused: OMS-VAL-004 there is no such state; the message lists the valid ones.
    """
    where = [{"field": "state", "value": read_states([state])[0].value}]
    where += [{"field": "symbol", "value": symbol}] if symbol else []
    return page_wire(backend.engine.query(where=where, size=_ORDERS), "order")


def order_json(backend: Backend, order_id: str, as_of: str = "") -> Wire:
    """An order with its executions, its tree and its allocations, as it is or as it was."""
    with seen_at(backend.engine, as_of, order_id) as engine:
        return whole_order_wire(engine, engine.find(order_id)) | moment_wire(engine)


def events_json(backend: Backend, order_id: str) -> Wire:
    """The events of an order."""
    return history_wire(backend.engine.history(order_id), response_format="detailed")


def changes_json(backend: Backend) -> Wire:
    """The newest events of all, in order, and the position of the last one: `order_history` goes on after it."""
    newest = backend.engine.query(entity="event", size=_CHANGES).content
    events = [event for event in reversed(newest) if isinstance(event, StoredEvent)]
    return history_wire(events) | {"position": backend.engine.position}


def status(backend: Backend) -> Wire:
    """How the server stands: its mode, tools and counts, and the state of the knowledge base."""
    library = backend.library.status()
    told = {"note": library.note, "stale": library.stale}
    notes: Wire = {name: without_paths(text) for name, text in told.items() if text}
    if library.left_out:
        notes["leftOut"] = library.left_out
    return {
        "version": backend.version,
        "mode": backend.mode,
        "profile": backend.engine.settings.lifecycle_profile,
        "toolsets": list(backend.toolsets),
        "tools": list(backend.tools),
        "counts": backend.engine.counts(),
        "knowledgeBase": {
            "documents": library.documents,
            "sections": library.sections,
            "semantic": library.semantic,
            **notes,
        },
    }


def kb_parts(address: str) -> tuple[str, str]:
    """Path and anchor of kb://path?anchor=a or kb://path#a; kb://index has neither.

    Raises:
        Refused: OMS-VAL-004 for an address that names no document or asks for more than one anchor, OMS-VAL-001 for
            one that names two.
    """
    head, _, fragment = address.removeprefix("kb://").partition("#")
    path, _, query = head.partition("?")
    asked = parse_qsl(query, keep_blank_values=True)
    if any(name != "anchor" for name, _ in asked) or len(asked) > 1:
        raise refused_value(
            "path", f"{shown(address)} asks for something else than one anchor; addresses are {_EXAMPLES}"
        )
    if not path:
        raise refused_value("path", f"{shown(address)} names no document; addresses are {_EXAMPLES}")
    if path == "index" and (fragment or asked):
        raise refused_value("path", f"{shown(address)} has no sections; addresses are {_EXAMPLES}")
    own_anchor, fragment = (asked[0][1] if asked else ""), unquote(fragment)
    require_one_anchor(own_anchor, fragment)
    return "" if path == "index" else unquote(path), own_anchor or fragment


def require_one_anchor(own_anchor: str, anchor: str) -> None:
    """Raises Refused (OMS-VAL-001) for a path that names a section beside an argument that names another."""
    if own_anchor and anchor and own_anchor != anchor:
        message = f"path already names the section {shown(own_anchor)}, and anchor another; send one of the two"
        raise Refused(problem_of([violation("ENV-10", "OMS-VAL-001", "anchor", message)]))
