"""What can an argument of a prompt or of an address be, while somebody is still typing it?"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from anyio.to_thread import run_sync
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Completion, CompletionArgument, CompletionContext, PromptReference
from mcp_types import ResourceTemplateReference as TemplateReference

from knowledge_base import KnowledgeBaseError
from oms_engine import Order, Refused
from oms_engine.contracts import spec
from oms_engine.contracts.catalogue import TYPES
from oms_engine.contracts.formats import FORMATS
from oms_engine.contracts.pages import PAGES
from oms_engine.domain.vocabulary import State
from oms_engine.errors import shown
from oms_mcp.prompts import PROMPTS
from oms_mcp.seam import Backend

MOST = 100
"""Most values of one answer, as the protocol has it."""

_LONGEST = 128
"""Characters of what was typed that are looked at."""

Given = Mapping[str, str]
Source = Callable[[Backend, str, Given], Iterable[str]]
"""What can stand in an argument, given what was typed of it and the arguments that are known already."""


async def completion(
    backend: Backend,
    ref: PromptReference | TemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion:
    """The answer to `completion/complete`, for an argument of a prompt or of an address."""
    source = _source(ref, argument.name)
    typed = argument.value[:_LONGEST]
    given = (context and context.arguments) or {}
    values = await run_sync(lambda: matching(source(backend, typed, given), typed))
    return Completion(values=values[:MOST], total=len(values), has_more=len(values) > MOST)


def matching(known: Iterable[str], typed: str) -> list[str]:
    """The values that begin with what was typed, then those that have it elsewhere; each once."""
    wanted = typed.casefold()
    folded = {value: value.casefold() for value in known}
    first = [value for value, name in folded.items() if name.startswith(wanted)]
    return first + [value for value, name in folded.items() if wanted in name and not name.startswith(wanted)]


def _source(ref: PromptReference | TemplateReference, argument: str) -> Source:
    known: Mapping[str, Source]
    if isinstance(ref, PromptReference):
        if ref.name not in PROMPTS:
            raise _invalid(f"prompt {shown(ref.name)} is unknown; use one of {', '.join(PROMPTS)}")
        known = {each: _SOURCES.get(each, _nothing) for each in PROMPTS[ref.name].names}
    elif ref.uri in _TEMPLATES:
        known = _TEMPLATES[ref.uri]
    else:
        raise _invalid(f"template {shown(ref.uri)} is unknown; use one of {', '.join(_TEMPLATES)}")
    if argument not in known:
        raise _invalid(f"argument {shown(argument)} is unknown; use {', '.join(known)}")
    return known[argument]


def _invalid(message: str) -> MCPError:
    return MCPError(INVALID_PARAMS, message)


def _nothing(_: Backend, __: str, ___: Given) -> Sequence[str]:
    """Free text: nothing can be proposed."""
    return ()


def _documents(backend: Backend, _: str, __: Given) -> list[str]:
    return [document.path for document in backend.library.overview().documents]


def _anchors(backend: Backend, _: str, given: Given) -> list[str]:
    try:
        return [entry.anchor for entry in backend.library.read(given.get("path", ""), limit=1).outline if entry.anchor]
    except KnowledgeBaseError:
        return []


def _places(backend: Backend, typed: str, given: Given) -> list[str]:
    """What a specification can be: a document, a section of the one that was typed, or a contract."""
    path, hash_sign, _ = typed.partition("#")
    if hash_sign:
        return [f"{path}#{anchor}" for anchor in _anchors(backend, "", {"path": path})]
    return [*_documents(backend, typed, given), *(f"{spec.SCHEME}{page}" for page in PAGES)] + [
        f"{spec.SCHEME}schema/{name}" for name in TYPES
    ]


def _formats(_: Backend, __: str, given: Given) -> Sequence[str]:
    page = given.get("page", "commands")
    return FORMATS if page in spec.GROUPS else ("text",)


def _orders(backend: Backend, field: str, typed: str) -> list[Order]:
    """The newest orders in which a text begins so."""
    where = [{"field": field, "op": "startswith", "value": typed}] if typed else []
    try:
        page = backend.engine.query(where=where, size=backend.engine.settings.max_size)
    except Refused:  # what was typed cannot stand in this field
        return []
    return [order for order in page.content if isinstance(order, Order)]


def _order_ids(backend: Backend, typed: str, _: Given) -> list[str]:
    return [order.order_id for order in _orders(backend, "orderId", typed)]


def _client_ids(backend: Backend, typed: str, _: Given) -> list[str]:
    return [order.cl_ord_id for order in _orders(backend, "clOrdId", typed)]


def _symbols(backend: Backend, typed: str, _: Given) -> list[str]:
    return sorted({order.symbol for order in _orders(backend, "symbol", typed)})


def _versions(backend: Backend, _: str, given: Given) -> list[str]:
    order = backend.engine.get(given.get("orderId", ""))
    return [f"v{version}" for version in range(order.version, 0, -1)] if order else []


_SOURCES: Mapping[str, Source] = {"spec": _places, "order_id": _order_ids, "cl_ord_id": _client_ids}
"""Argument of a prompt -> what it can be; one that is not named here is free text."""

_TEMPLATES: Mapping[str, Mapping[str, Source]] = {
    "kb://{+path}{?anchor}": {"path": _documents, "anchor": _anchors},
    "spec://{page}{?format}": {"page": lambda *_: PAGES, "format": _formats},
    "spec://schema/{name}{?format}": {"name": lambda *_: TYPES, "format": lambda *_: FORMATS},
    "order://{orderId}{?as_of}": {"orderId": _order_ids, "as_of": _versions},
    "orders://{state}{?symbol}": {"state": lambda *_: [state.value for state in State], "symbol": _symbols},
    "order://{orderId}/events": {"orderId": _order_ids},
}
"""Address -> its arguments, and what each can be."""
