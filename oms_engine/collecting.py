"""What does a command name, and what does the store know of it? The facts that its rules look at."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from oms_engine.domain.commands import (
    Command,
    ExecutionBustCmd,
    ExecutionCorrectCmd,
    ExecutionCreateCmd,
    ExecutionWhackCmd,
    OrderCancelCmd,
    OrderCreateCmd,
    OrderGroupCmd,
    OrderReplaceCmd,
    OrderUngroupCmd,
    QuoteAcceptCmd,
    QuoteCreateCmd,
    QuoteExpireCmd,
    QuoteRejectCmd,
    QuoteRequestCreateCmd,
    ReferencePriceCmd,
    SettingsChangeCmd,
)
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.model import (
    ExecutionReport,
    NewOrder,
    NewQuote,
    NewQuoteRequest,
    OrderState,
    QuoteRequestState,
    SettingsState,
    StreamState,
)
from oms_engine.domain.rules.execution import exec_id_of
from oms_engine.domain.rules.facts import ClientOrderId, Facts, Surroundings
from oms_engine.domain.rules.replace import candidate_of, stands_outside_groups
from oms_engine.domain.vocabulary import State
from oms_engine.framework.state_machine import StateMachine
from oms_engine.settings import Settings


class Recorded(Protocol):
    """A command that was carried out before."""

    @property
    def payload_hash(self) -> str: ...  # noqa: D102 - the hash of what it asked
    @property
    def stream_id(self) -> str: ...  # noqa: D102 - its main stream
    @property
    def first_position(self) -> int: ...  # noqa: D102 - its first event
    @property
    def last_position(self) -> int: ...  # noqa: D102 - its last event


class Ledger(Surroundings, Protocol):
    """What the tasks need of a store, inside one transaction."""

    def command(self, command_id: str) -> Recorded | None:
        """The command with this id, when it was carried out before."""

    def client_order_id(self, session_id: str, cl_ord_id: str) -> ClientOrderId | None:
        """Who used a clOrdId in a session."""

    def orders_with_execution(self, exec_id: str) -> tuple[str, ...]:
        """The orders that have an execution with this execId."""

    def quotes(self, quote_req_id: str) -> QuoteRequestState | None:
        """A quote request with its quotes."""

    def request_of(self, quote_id: str) -> str | None:
        """The quote request that a quote answers."""

    def next_position(self) -> int:
        """The position of the next event."""

    def write(self, decided: "Decided") -> str:
        """Write events, read model and idempotency key, and commit; returns what became of them, as a sentence."""

    def publish(self, events: Sequence[StoredEvent]) -> list[str]:
        """Hand the events to whoever listens; returns what went wrong, as sentences."""


class Decided(NamedTuple):
    """What a command decided, as it is written.

    Attributes:
        command_id: Key of the command.
        payload_hash: Hash of what it asked.
        main: Its main stream.
        events: What happened, in the order in which it is stored.
        before: The streams that changed, as the command found them; None for one that it began.
        after: The same streams with the events.
    """

    command_id: str
    payload_hash: str
    main: str
    events: Sequence[StoredEvent]
    before: Mapping[str, StreamState | None]
    after: Mapping[str, StreamState]


class Caller(NamedTuple):
    """Who sends a command, when, under which settings, and to which store."""

    ledger: Ledger
    settings: Settings
    machine: StateMachine[State]
    now: datetime
    session_id: str
    actor: str
    set_before: SettingsState


class Names(NamedTuple):
    """What a command names.

    Attributes:
        order_id: The order it is about.
        exec_id: The execution it is about; it finds the order where none is named.
        cl_ord_id: A clOrdId that must be unused in the session.
        new_order_id: An orderId that must be unused.
        quote_req_id: The quote request it is about.
        quote_id: The quote it is about.
        new_quote_req_id: A quoteReqId that must be unused.
        new_quote_id: A quoteId that must be unused.
    """

    order_id: str | None = None
    exec_id: str | None = None
    cl_ord_id: str | None = None
    new_order_id: str | None = None
    quote_req_id: str | None = None
    quote_id: str | None = None
    new_quote_req_id: str | None = None
    new_quote_id: str | None = None


def _of_create(command: OrderCreateCmd) -> Names:
    order = command.order or NewOrder()
    return Names(cl_ord_id=order.cl_ord_id, new_order_id=order.order_id)


def _of_request(command: OrderCancelCmd | OrderReplaceCmd) -> Names:
    return Names(order_id=command.order_id, cl_ord_id=command.cl_ord_id)


def _of_fill(command: ExecutionCreateCmd) -> Names:
    return Names(order_id=(command.execution or ExecutionReport()).order_id)


def _of_correction(command: ExecutionBustCmd | ExecutionCorrectCmd) -> Names:
    return Names(order_id=command.order_id, exec_id=exec_id_of(command))


def _of_group(command: OrderGroupCmd) -> Names:
    return Names(new_order_id=command.group_order_id, cl_ord_id=command.group_order_id)


def _of_ungroup(command: OrderUngroupCmd) -> Names:
    return Names(order_id=command.group_order_id)


def _of_quote_request(command: QuoteRequestCreateCmd) -> Names:
    return Names(new_quote_req_id=(command.quote_request or NewQuoteRequest()).quote_req_id)


def _of_quote(command: QuoteCreateCmd) -> Names:
    quote = command.quote or NewQuote()
    return Names(quote_req_id=quote.quote_req_id, new_quote_id=quote.quote_id)


def _of_quote_decision(command: QuoteAcceptCmd | QuoteRejectCmd) -> Names:
    return Names(quote_req_id=getattr(command, "quote_req_id", None), quote_id=command.quote_id)


_NAMES: Mapping[type[Command], Callable[[Any], Names]] = {
    OrderCreateCmd: _of_create,
    OrderCancelCmd: _of_request,
    OrderReplaceCmd: _of_request,
    ExecutionCreateCmd: _of_fill,
    ExecutionWhackCmd: _of_correction,
    ExecutionBustCmd: _of_correction,
    ExecutionCorrectCmd: _of_correction,
    OrderGroupCmd: _of_group,
    OrderUngroupCmd: _of_ungroup,
    QuoteRequestCreateCmd: _of_quote_request,
    QuoteCreateCmd: _of_quote,
    QuoteAcceptCmd: _of_quote_decision,
    QuoteRejectCmd: _of_quote_decision,
    QuoteExpireCmd: _of_quote_decision,
}
"""What each command names; one that is not listed names an order, or nothing."""


def names_of(command: Command) -> Names:
    """What a command names."""
    reader = _NAMES.get(type(command))
    return reader(command) if reader else Names(order_id=getattr(command, "order_id", None))


def collect(command: Command, caller: Caller, *, command_id_taken: bool) -> Facts[Any]:
    """Load what a command is about, and what the store knows of the ids in it."""
    ledger, names = caller.ledger, names_of(command)
    exec_orders: tuple[str, ...] = ()
    order_id = names.order_id
    if names.exec_id is not None and order_id is None:
        exec_orders = ledger.orders_with_execution(names.exec_id)
        order_id = exec_orders[0] if len(exec_orders) == 1 else None
    state = ledger.order(order_id) if order_id else None
    quotes = _quotes(ledger, names)
    before = before_of(command, state, quotes, caller.set_before)
    return Facts(
        command=command,
        settings=caller.settings,
        machine=caller.machine,
        now=caller.now,
        session_id=caller.session_id,
        actor=caller.actor,
        around=ledger,
        state=state,
        candidate=_candidate(command, state),
        quotes=quotes,
        set_before=caller.set_before,
        version=before.version if before else 0,
        used_by=ledger.client_order_id(caller.session_id, names.cl_ord_id) if names.cl_ord_id else None,
        id_used=_is_used(ledger, names),
        exec_orders=exec_orders,
        command_id_taken=command_id_taken,
    )


def before_of(
    command: Command, state: OrderState | None, quotes: QuoteRequestState | None, set_before: SettingsState
) -> StreamState | None:
    """The main stream of a command before it; None for one that begins a stream."""
    return state or quotes or (set_before if _is_about_settings(command) else None)


def _is_about_settings(command: Command) -> bool:
    return isinstance(command, SettingsChangeCmd | ReferencePriceCmd)


def _candidate(command: Command, state: OrderState | None) -> NewOrder | None:
    if isinstance(command, OrderCreateCmd):
        return command.order
    if isinstance(command, OrderReplaceCmd) and state is not None and stands_outside_groups(state):
        return candidate_of(command, state)
    return None


def _quotes(ledger: Ledger, names: Names) -> QuoteRequestState | None:
    request_id = names.quote_req_id
    if request_id is None and names.quote_id is not None:
        request_id = ledger.request_of(names.quote_id)
    return ledger.quotes(request_id) if request_id else None


def _is_used(ledger: Ledger, names: Names) -> bool:
    if names.new_order_id is not None:
        return ledger.order(names.new_order_id) is not None
    if names.new_quote_req_id is not None:
        return ledger.quotes(names.new_quote_req_id) is not None
    return names.new_quote_id is not None and ledger.request_of(names.new_quote_id) is not None
