"""Which rules are there, what does each say, and which section of the knowledge base explains it?

The order of this table is the order of the catalogue: of several violations the first one gives the error code.
"""

from oms_engine.errors import Refused, problem_of
from oms_engine.framework.validation import Violation
from oms_engine.record import anchor

_PAGE = "framework/validation-rules.md"

_PAGES = {
    "PAR": "framework/tree-rules.md",
    "ALC": "framework/tree-rules.md",
    "GRP": "framework/tree-rules.md",
    "EQ": "framework/asset-class-rules.md",
    "SHT": "framework/asset-class-rules.md",
    "DRV": "framework/asset-class-rules.md",
    "FND": "framework/asset-class-rules.md",
    "STR": "framework/asset-class-rules.md",
    "FX": "framework/asset-class-rules.md",
    "DIG": "framework/asset-class-rules.md",
    "RSK": "framework/risk-rules.md",
    "QUO": "framework/quote-rules.md",
}
"""Family of rules -> the page that explains them; those not named stand on the page of the validation rules."""

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
    "ORD-20": ("3.20", "a child fits under its parent"),
    "ORD-21": ("3.21", "enum values are known"),
    "ORD-22": ("3.22", "a supplied order id is well formed and new"),
    "TICK-01": ("3.23", "prices are multiples of the tick"),
    "EQ-01": ("1.1", "an equity order is a multiple of the lot"),
    "EQ-02": ("1.2", "an equity symbol has its form"),
    "SHT-01": ("1.3", "a short sale has a locate"),
    "DRV-01": ("2.1", "a derivative names its contract"),
    "FND-01": ("3.1", "funds are subscribed by units or by cash"),
    "FND-02": ("3.2", "a fund order is at market or limit"),
    "STR-01": ("4.1", "a structured product names its security"),
    "STR-02": ("4.2", "a structured product is ordered at market or limit"),
    "FX-01": ("5.1", "a currency symbol has its form"),
    "FX-02": ("5.2", "the notional reaches the minimum"),
    "FX-03": ("5.3", "settlement and maturity dates are given"),
    "DIG-01": ("6.1", "a digital asset has at most eight fraction digits"),
    "EX-01": ("4.1", "the execution is present and its order exists"),
    "EX-02": ("4.2", "execution and order ids are present"),
    "EX-03": ("4.3", "last quantity and last price are positive"),
    "EX-04": ("4.4", "only a live order is filled"),
    "EX-05": ("4.5", "a fill fits into the open quantity"),
    "EX-06": ("4.6", "an execution id is used once per order"),
    "EX-07": ("4.7", "an execution is not stale"),
    "EX-08": ("4.8", "an order with children or in a group is not filled itself"),
    "EX-09": ("4.9", "the execution type is a fill"),
    "PAR-16": ("1.16", "the children of a parent get its market commands"),
    "GRP-08": ("3.8", "only an untouched group is dissolved"),
    "GRP-09": ("3.9", "a member acts through its group"),
    "PAR-15": ("1.15", "new children of an ended parent count nothing"),
    "LIF-01": ("5.1", "the transition is part of the lifecycle"),
    "LIF-02": ("5.2", "the order is in the state the command needs"),
    "LIF-03": ("5.3", "the order is not finished"),
    "RPL-01": ("11.1", "the order exists"),
    "RPL-02": ("11.2", "the original client order id fits"),
    "RPL-03": ("11.3", "the order has not ended"),
    "RPL-04": ("11.4", "nothing is pending"),
    "RPL-05": ("11.5", "the new client order id is unused"),
    "RPL-06": ("11.6", "the new quantity holds what is executed and placed"),
    "RPL-07": ("11.7", "only terms that can be replaced are changed"),
    "RPL-08": ("11.8", "the resulting order is a good order"),
    "RPL-09": ("11.9", "something is changed"),
    "RPL-10": ("11.10", "the order stands outside groups"),
    "CXL-01": ("6.1", "the order exists"),
    "CXL-02": ("6.2", "the ids of the request fit"),
    "CXL-03": ("6.3", "the order has not ended"),
    "CXL-04": ("6.4", "no cancel is pending"),
    "CXL-05": ("6.5", "no replace is pending"),
    "CXL-06": ("6.6", "something is left to cancel"),
    "CXL-07": ("6.7", "a new order is not cancelled"),
    "CXL-08": ("6.8", "a member is cancelled with its group"),
    "END-01": ("7.1", "an order is rejected only without fills"),
    "END-02": ("7.2", "an order expires only when its time can end"),
    "END-03": ("7.3", "only an ended order is closed"),
    "WHK-01": ("8.1", "two different people stand behind a whack"),
    "WHK-02": ("8.2", "the approver's level fits the amount"),
    "WHK-03": ("8.3", "the execution exists"),
    "WHK-04": ("8.4", "the execution still counts"),
    "WHK-05": ("8.5", "the order is not closed"),
    "WHK-06": ("8.6", "quantities stay at or above zero"),
    "COR-01": ("8.8", "what holds for taking back holds for restating"),
    "COR-02": ("8.9", "the restated quantity fits the order"),
    "COR-03": ("8.10", "a correction changes something"),
    "COR-04": ("8.11", "the id of the correcting report is unused"),
    "PAR-17": ("1.17", "a parent refuses a cancel only where nothing is forwarded"),
    "PAR-18": ("1.18", "a parent expires only at rest"),
    "PAR-14": ("1.14", "a closed order gives nothing back"),
    "ALC-01": ("2.1", "the order has somebody to hand on to"),
    "ALC-02": ("2.2", "straight-through needs no decision"),
    "ALC-03": ("2.3", "a decision is about pending quantity"),
    "ALC-04": ("2.4", "the receiver is not closed"),
    "GRP-01": ("3.1", "a group has two members or more"),
    "GRP-02": ("3.2", "every member exists"),
    "GRP-03": ("3.3", "members ask for the same"),
    "GRP-04": ("3.4", "every member is new"),
    "GRP-05": ("3.5", "every member stands alone"),
    "GRP-06": ("3.6", "a group over accounts is approved where that is asked for"),
    "GRP-07": ("3.7", "the id of a group is unused"),
    "QUO-01": ("1.1", "a quote request is complete and new"),
    "QUO-02": ("1.2", "a quote answers an open request"),
    "QUO-03": ("1.3", "an open quote in time is accepted"),
    "QUO-04": ("1.4", "what is open is rejected"),
    "QUO-05": ("1.5", "what is open expires when its time is over"),
    "QUO-07": ("1.7", "an order names a quote that exists"),
    "RSK-01": ("1.1", "order quantity is within the risk limit"),
    "RSK-02": ("1.2", "notional is within the risk limit"),
    "RSK-03": ("1.3", "price is within the collar"),
    "RSK-04": ("1.4", "the symbol is not restricted"),
    "RSK-05": ("1.5", "the account has room for another open order"),
    "RSK-06": ("1.6", "the account has room for the notional"),
    "RSK-07": ("1.7", "the kill switch is off"),
    "RSK-08": ("1.8", "the session keeps its pace"),
    "SET-01": ("12.1", "a setting that is changed exists and can change"),
    "SET-02": ("12.2", "a setting has a possible value"),
    "SET-03": ("12.3", "a reference price has a symbol and a price"),
    "QRY-01": ("9.1", "the entity can be queried"),
    "QRY-02": ("9.2", "the field belongs to the entity"),
    "QRY-03": ("9.3", "the operator exists and fits the type"),
    "QRY-04": ("9.4", "the value can be read"),
    "QRY-05": ("9.5", "the sort order can be read"),
    "CNF-01": ("10.1", "a destructive tool call is confirmed"),
}
"""Rule id -> number of its section on the page of its family, and what must hold."""

STATEMENTS: dict[str, tuple[str, str]] = {
    "BST-01": ("8.7", "a bust needs no approval"),
    "PAR-01": ("1.1", "a parent is placed with its first child"),
    "PAR-02": ("1.2", "a parent lives with its first living child"),
    "PAR-03": ("1.3", "a parent is rejected with its last child"),
    "PAR-04": ("1.4", "allocation fills a parent"),
    "PAR-05": ("1.5", "a parent that waits for its cancel ends at rest"),
    "PAR-06": ("1.6", "a parent hears that a child would not be cancelled"),
    "PAR-07": ("1.7", "the market's cancel of the last child cancels a parent"),
    "PAR-08": ("1.8", "the market's rejection of the last child ends a parent"),
    "PAR-09": ("1.9", "the expiry of the last child expires a parent"),
    "PAR-10": ("1.10", "otherwise the freed quantity can be placed again"),
    "PAR-11": ("1.11", "a correction below reopens a filled parent"),
    "PAR-12": ("1.12", "an ended parent gives back and stays ended"),
    "PAR-13": ("1.13", "a child that reopens below an ended parent is cancelled"),
    "PAR-19": ("1.19", "a parent at rest is cancelled at once"),
    "ALC-05": ("2.5", "lots go first in, first out and keep their price"),
    "ALC-06": ("2.6", "what was refused stays pending"),
    "ALC-07": ("2.7", "a correction takes exactly its own lots back"),
    "ALC-08": ("2.8", "pending quantity gives first"),
    "GRP-10": ("3.10", "what a group gets is shared by deficit"),
    "GRP-11": ("3.11", "members are booked at their own average"),
    "GRP-12": ("3.12", "members end with their group"),
    "GRP-13": ("3.13", "a group is not replaced"),
    "QUO-06": ("1.6", "what has ended stays ended"),
}
"""What the engine does rather than demands: id -> number of its section, and the statement. No refusal names one."""


def _citation(rule_id: str, number: str, words: str) -> str:
    page = _PAGES.get(rule_id.partition("-")[0], _PAGE)
    return f"{page}#{anchor(f'{number} {rule_id}: {words}')}"


_PLACE = {rule_id: place for place, rule_id in enumerate(RULES)}
_CITATIONS = {rule_id: _citation(rule_id, *row) for rule_id, row in (RULES | STATEMENTS).items()}


def citation(rule_id: str) -> str:
    """`path#anchor` of the section that explains a rule or a statement."""
    return _CITATIONS[rule_id]


def description(rule_id: str) -> str:
    """What must hold by a rule."""
    return RULES[rule_id][1]


def violation(rule_id: str, code: str, field: str, message: str) -> Violation:
    """A violation of a rule of the catalogue."""
    name = field[:64].encode("ascii", "backslashreplace").decode()
    return Violation(rule_id=rule_id, field=name, message=message, code=code, citation=citation(rule_id))


def refused_value(field: str, message: str, code: str = "OMS-VAL-004") -> Refused:
    """The refusal of a value that cannot be (ENV-06)."""
    return Refused(problem_of([violation("ENV-06", code, field, message)]))


def in_catalogue_order(violations: list[Violation]) -> list[Violation]:
    """The violations, those of earlier rules first; rules of other catalogues, such as a user's pack, come last."""
    return sorted(violations, key=lambda found: _PLACE.get(found.rule_id, len(_PLACE)))
