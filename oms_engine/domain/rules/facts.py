"""What may a rule look at? The command, the order as it stands, and what the store knows of the ids in the command."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from oms_engine.domain.catalogue import citation, description
from oms_engine.domain.commands import Command
from oms_engine.domain.model import OrderState
from oms_engine.domain.vocabulary import State
from oms_engine.framework.state_machine import StateMachine
from oms_engine.framework.validation import Rule
from oms_engine.settings import Settings

C_co = TypeVar("C_co", bound=Command, covariant=True)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class ClientOrderId:
    """Who used a (sessionId, clOrdId) before: its order and the hash of what was asked."""

    order_id: str
    payload_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Generic[C_co]):
    """Everything the rules of one command may look at.

    `used_by` tells who used the clOrdId of the command in this session before, `order_id_used` whether a supplied
    orderId exists, `exec_orders` which orders have an execution with the execId of the command, and
    `command_id_taken` whether the commandId belongs to another command.
    """

    command: C_co
    settings: Settings
    machine: StateMachine[State]
    now: datetime
    session_id: str
    actor: str
    state: OrderState | None = None
    used_by: ClientOrderId | None = None
    order_id_used: bool = False
    exec_orders: tuple[str, ...] = ()
    command_id_taken: bool = False


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
) -> Rule[V]:
    """A rule of the catalogue; description and citation come from its row."""
    return Rule(
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
    )


class RulesAbout(Generic[V]):
    """Makes rules about one part of a command, such as its order; they are not asked of a command without that part."""

    def __init__(self, place: str, empty: V, scope: str) -> None:
        self._place = place
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
    ) -> Rule[Facts[Any]]:
        """A rule of the catalogue about the part and, beside it, the facts."""

        def asked(facts: Facts[Any]) -> bool:
            part = self._part(facts)
            return part is not None and (applies is None or applies(part, facts))

        def part_of(facts: Facts[Any]) -> V:
            return self._part(facts) or self._empty

        return rule(
            rule_id,
            code,
            field,
            lambda facts: holds(part_of(facts), facts),
            lambda facts: message(part_of(facts), facts),
            scope=self._scope,
            applies=asked,
            inputs=inputs,
            alone=alone,
        )

    def present(self, rule_id: str, field: str, name: str, remedy: str) -> Rule[Facts[Any]]:
        """A field of the part that must be there and not blank."""
        return self(
            rule_id,
            "OMS-VAL-003",
            field,
            lambda part, _: getattr(part, name) is not None and bool(str(getattr(part, name)).strip()),
            lambda *_: f"{field} is missing; {remedy}",
        )

    def _part(self, facts: Facts[Any]) -> V | None:
        part: V | None = getattr(facts.command, self._place)
        return part


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
