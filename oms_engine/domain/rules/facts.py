"""What may a rule look at? The command, the streams it touches, and what the store knows of the ids in the command."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from oms_engine.domain.catalogue import citation, description
from oms_engine.domain.commands import Command
from oms_engine.domain.model import NewOrder, OrderState, QuoteRequestState, SettingsState
from oms_engine.domain.vocabulary import WORKING_STATES, State
from oms_engine.framework.state_machine import StateMachine
from oms_engine.framework.validation import Rule, Severity
from oms_engine.settings import Settings

C_co = TypeVar("C_co", bound=Command, covariant=True)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class ClientOrderId:
    """Who used a (sessionId, clOrdId) before: its order and the hash of what was asked."""

    order_id: str
    payload_hash: str


_NOTHING_SET = SettingsState()


class OpenOrder(NamedTuple):
    """What an open order of an account may still buy or sell, as the risk limits count it."""

    order_id: str
    symbol: str
    leaves_qty: Decimal | None
    price: Decimal | None
    cash_order_qty: Decimal | None


class Surroundings(Protocol):
    """What else rules ask of the store; asked only where a rule needs it."""

    def order(self, order_id: str) -> OrderState | None:
        """Another order, as it stands."""

    def quote_exists(self, quote_id: str) -> bool:
        """Is there a quote with this id?"""

    def last_price(self, symbol: str) -> Decimal | None:
        """Price of the last execution of a symbol that still counts."""

    def open_orders(self, account: str) -> Sequence[OpenOrder]:
        """The roots of an account in NEW, UNACK or LIVE with something open; no groups."""

    def recent_commands(self) -> int:
        """How many commands the session sent in the last second, this one included and cancels left out."""


def at_rest(order: OrderState, children: Callable[[OrderState], Iterable[OrderState]]) -> bool:
    """Is no child in the market, and nothing below waiting to be handed on? `children` gives those of an order."""
    return all(not is_at_work(child) and at_rest(child, children) for child in children(order))


def is_at_work(child: OrderState) -> bool:
    """Is an order in the market, or has it something to hand on?"""
    return child.order.state in WORKING_STATES or bool(child.order.pending_alloc_qty)


@dataclass(slots=True, kw_only=True)  # not frozen: that would make every command pay for setting twenty fields
class Facts(Generic[C_co]):
    """Everything the rules of one command may look at.

    Attributes:
        command: The command.
        settings: What is set at this moment.
        machine: The lifecycle in force.
        now: The time.
        session_id: Session of the command.
        actor: Who acts.
        around: What else the store knows.
        state: The order of the command, where it was found.
        candidate: The order as asked for, or as it would be after a replace.
        quotes: The quote request of the command with its quotes, where it was found.
        set_before: What was set while running, and the reference prices that were posted.
        version: Version of the main stream; 0 when it does not exist yet.
        used_by: Who used the clOrdId of the command in this session before.
        id_used: The id that the command gives its new object exists already.
        exec_orders: Orders that have an execution with the execId of the command.
        command_id_taken: The commandId belongs to another command.
    """

    command: C_co
    settings: Settings
    machine: StateMachine[State]
    now: datetime
    session_id: str
    actor: str
    around: Surroundings
    state: OrderState | None = None
    candidate: NewOrder | None = None
    quotes: QuoteRequestState | None = None
    set_before: SettingsState = _NOTHING_SET
    version: int = 0
    used_by: ClientOrderId | None = None
    id_used: bool = False
    exec_orders: tuple[str, ...] = ()
    command_id_taken: bool = False

    @property
    def order(self) -> OrderState:
        """The order of the command; asked only by rules that apply where it was found."""
        assert self.state is not None  # noqa: S101 - see above
        return self.state

    def parent(self) -> OrderState | None:
        """The parent of the order of the command, or of the child that it asks for."""
        if self.state is not None:
            parent_id = self.state.order.parent_order_id
        else:
            parent_id = self.candidate.parent_order_id if self.candidate else None
        return self.around.order(parent_id) if parent_id else None

    def above(self) -> Iterator[OrderState]:
        """The parent, its parent, and so on up to the root."""
        order = self.parent()
        while order is not None:
            yield order
            parent_id = order.order.parent_order_id
            order = self.around.order(parent_id) if parent_id else None

    def children(self, of: OrderState | None = None) -> list[OrderState]:
        """The children of an order, of that of the command unless another is named."""
        of = of or self.state
        found = (self.around.order(name) for name in (of.children if of else ()))
        return [child for child in found if child is not None]

    def receivers(self) -> list[OrderState]:
        """Who gets what the order of the command hands on: its parent, or its members."""
        parent = self.parent()
        if parent is not None:
            return [parent]
        members = (self.around.order(name) for name in self.order.members)
        return [member for member in members if member is not None]

    def at_rest(self, order: OrderState) -> bool:
        """Is no child in the market, and nothing below waiting to be handed on?"""
        return at_rest(order, self.children)

    def reference_price(self, symbol: str) -> Decimal | None:
        """The posted reference price, else the configured one, else the last one executed here."""
        known = self.set_before.prices.get(symbol) or self.settings.risk_reference_price.get(symbol)
        return known if known is not None else self.around.last_price(symbol)


def rule(
    rule_id: str,
    code: str,
    field: str,
    holds: Callable[[V], bool],
    message: Callable[[V], str],
    *,
    scope: str,
    applies: Callable[[V], bool] | None = None,
    inputs: tuple[str, ...] = (),
    alone: bool = False,
    severity: Severity = Severity.REJECT,
    needs: tuple[str, ...] = (),
) -> Rule[V]:
    """A rule of the catalogue; description and citation come from its row.

    `needs` names what must be given for the rule to be asked: a field of the command, of a part of it (`order.price`),
    of the order asked for (`candidate.price`), or a setting that is not off (`settings.tick_size`).
    """
    return Rule(
        severity=severity,
        id=rule_id,
        code=code,
        field=field,
        description=description(rule_id),
        citation=citation(rule_id),
        scope=scope,
        holds=holds,
        message=message,
        applies=applies,
        inputs=inputs,
        alone=alone,
        needs=needs,
    )


class RulesAbout(Generic[V]):
    """Makes rules about one part of a command, such as its order; they are not asked of a command without that part."""

    def __init__(self, place: str, empty: V, scope: str) -> None:
        self._place = place
        self._part: Callable[[Facts[Any]], V | None] = attrgetter(place if place == "candidate" else f"command.{place}")
        self._empty = empty
        self._scope = scope

    def __call__(
        self,
        rule_id: str,
        code: str,
        field: str,
        holds: Callable[[V, Facts[Any]], bool],
        message: Callable[[V, Facts[Any]], str],
        *,
        applies: Callable[[V, Facts[Any]], bool] | None = None,
        inputs: tuple[str, ...] = (),
        alone: bool = False,
        severity: Severity = Severity.REJECT,
        needs: str = "",
        setting: str = "",
    ) -> Rule[Facts[Any]]:
        """A rule of the catalogue about the part and, beside it, the facts.

        It is asked only where the part has the field `needs` and the setting is not off, if they are named.
        """
        read, empty = self._part, self._empty

        def asked(facts: Facts[Any]) -> bool:
            part = read(facts)
            return part is not None and (applies is None or applies(part, facts))

        return rule(
            rule_id,
            code,
            field,
            lambda facts: holds(read(facts) or empty, facts),
            lambda facts: message(read(facts) or empty, facts),
            scope=self._scope,
            applies=asked,
            inputs=inputs,
            alone=alone,
            severity=severity,
            needs=(*((f"{self._place}.{needs}",) if needs else ()), *((f"settings.{setting}",) if setting else ())),
        )

    def present(self, rule_id: str, field: str, name: str, remedy: str) -> Rule[Facts[Any]]:
        """A field of the part that must be there and not blank."""
        return self(
            rule_id,
            "OMS-VAL-003",
            field,
            lambda part, _: _is_present(getattr(part, name)),
            lambda *_: f"{field} is missing; {remedy}",
        )


def _is_present(value: object) -> bool:
    return value is not None and (not isinstance(value, str) or bool(value.strip()))


on_order = RulesAbout("candidate", NewOrder(), "OrderCreateCmd, OrderReplaceCmd")
"""Makes rules about the order asked for, or about the order as it would be after a replace."""


def order_name(facts: Facts[Any]) -> str:
    """The order of the command in a sentence, asked only where it was found: an id of ours needs no quotes."""
    assert facts.state is not None  # noqa: S101 - the rules that name the order apply only where it was found
    return f"order {facts.state.order.order_id}"


def found(facts: Facts[Any]) -> bool:
    """Was the order of the command found?"""
    return facts.state is not None


def order_state(facts: Facts[Any]) -> State:
    """The state of the order of the command."""
    assert facts.state is not None  # noqa: S101 - the rules about states apply only where the order was found
    return facts.state.order.state
