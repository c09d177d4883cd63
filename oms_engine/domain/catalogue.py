"""Which rules are there, what does each say, and which section of the knowledge base explains it?

The order of this table is the order of the catalogue: of several violations the first one gives the error code.
"""

from oms_engine.framework.validation import Violation
from oms_engine.record import anchor

_PAGE = "framework/validation-rules.md"

RULES: dict[str, tuple[str, str]] = {
    "ENV-01": ("2.1", "command type is known"),
    "ENV-02": ("2.2", "every field is known"),
    "ENV-03": ("2.3", "an alias agrees with its name"),
    "ENV-04": ("2.4", "expected version is the current version"),
    "ENV-05": ("2.5", "a command id belongs to one command"),
    "ENV-06": ("2.6", "a value has the form of its field"),
    "ENV-07": ("2.7", "the command's required fields are there"),
    "ENV-08": ("2.8", "the actor may send this command"),
    "ENV-09": ("2.9", "the order of the command exists"),
    "ENV-10": ("2.10", "arguments fit together"),
    "ORD-01": ("3.1", "the order is present"),
    "ORD-02": ("3.2", "symbol is present"),
    "ORD-03": ("3.3", "side is present"),
    "ORD-04": ("3.4", "account is present"),
    "ORD-05": ("3.5", "a session is known"),
    "ORD-06": ("3.6", "client order id is present"),
    "ORD-07": ("3.7", "order type is present"),
    "ORD-08": ("3.8", "order quantity is present and positive"),
    "ORD-09": ("3.9", "a limit order has a price"),
    "ORD-10": ("3.10", "a stop order has a stop price"),
    "ORD-11": ("3.11", "a stop limit order has a price"),
    "ORD-12": ("3.12", "prices are positive"),
    "ORD-13": ("3.13", "a market order has no price"),
    "ORD-14": ("3.14", "order quantity is within the maximum"),
    "ORD-15": ("3.15", "executed quantity does not exceed the order"),
    "ORD-16": ("3.16", "a good-till-date order has a future expiry"),
    "ORD-17": ("3.17", "decimals fit the number format"),
    "ORD-18": ("3.18", "texts fit their fields"),
    "ORD-19": ("3.19", "a client order id is used once"),
    "ORD-21": ("3.21", "enum values are known"),
    "ORD-22": ("3.22", "a supplied order id is well formed and new"),
    "TICK-01": ("3.23", "prices are multiples of the tick"),
    "EX-01": ("4.1", "the execution is present and its order exists"),
    "EX-02": ("4.2", "execution and order ids are present"),
    "EX-03": ("4.3", "last quantity and last price are positive"),
    "EX-04": ("4.4", "only a live order is filled"),
    "EX-05": ("4.5", "a fill fits into the open quantity"),
    "EX-06": ("4.6", "an execution id is used once per order"),
    "EX-07": ("4.7", "an execution is not stale"),
    "EX-09": ("4.9", "the execution type is a fill"),
    "LIF-01": ("5.1", "the transition is part of the lifecycle"),
    "LIF-02": ("5.2", "the order is in the state the command needs"),
    "LIF-03": ("5.3", "the order is not finished"),
    "CXL-01": ("6.1", "the order exists"),
    "CXL-02": ("6.2", "the ids of the request fit"),
    "CXL-03": ("6.3", "the order has not ended"),
    "CXL-04": ("6.4", "no cancel is pending"),
    "CXL-05": ("6.5", "no replace is pending"),
    "CXL-06": ("6.6", "something is left to cancel"),
    "CXL-07": ("6.7", "a new order is not cancelled"),
    "END-01": ("7.1", "an order is rejected only without fills"),
    "END-02": ("7.2", "an order expires only when its time can end"),
    "END-03": ("7.3", "only an ended order is closed"),
    "WHK-01": ("8.1", "two different people stand behind a whack"),
    "WHK-02": ("8.2", "the approver's level fits the amount"),
    "WHK-03": ("8.3", "the execution exists"),
    "WHK-04": ("8.4", "the execution still counts"),
    "WHK-05": ("8.5", "the order is not closed"),
    "WHK-06": ("8.6", "quantities stay at or above zero"),
    "QRY-01": ("9.1", "the entity can be queried"),
    "QRY-02": ("9.2", "the field belongs to the entity"),
    "QRY-03": ("9.3", "the operator exists and fits the type"),
    "QRY-04": ("9.4", "the value can be read"),
    "QRY-05": ("9.5", "the sort order can be read"),
    "CNF-01": ("10.1", "a destructive tool call is confirmed"),
}
"""Rule id -> number of its section, and what must hold."""

_PLACE = {rule_id: place for place, rule_id in enumerate(RULES)}
_CITATIONS = {
    rule_id: f"{_PAGE}#{anchor(f'{number} {rule_id}: {words}')}" for rule_id, (number, words) in RULES.items()
}


def citation(rule_id: str) -> str:
    """`path#anchor` of the section that explains a rule."""
    return _CITATIONS[rule_id]


def description(rule_id: str) -> str:
    """What must hold by a rule."""
    return RULES[rule_id][1]


def violation(rule_id: str, code: str, field: str, message: str) -> Violation:
    """A violation of a rule of the catalogue."""
    name = field[:64].encode("ascii", "backslashreplace").decode()
    return Violation(rule_id=rule_id, field=name, message=message, code=code, citation=citation(rule_id))


def in_catalogue_order(violations: list[Violation]) -> list[Violation]:
    """The violations, those of earlier rules first."""
    return sorted(violations, key=lambda found: _PLACE[found.rule_id])
