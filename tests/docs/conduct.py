"""Is what happens told as it happens: commands by state, market reports, approval levels, places in a tree, privacy?"""

import re
from collections.abc import Iterable

from oms_engine.domain.commands import COMMANDS
from oms_engine.domain.events import PERSONAL
from oms_engine.domain.lifecycle import COMMAND_INTO
from oms_engine.domain.model import Order
from oms_engine.domain.rules.execution import FILL_TYPES
from oms_engine.domain.vocabulary import OPEN_STATES, ApprovalLevel, AssetClass, Leg, Role, State, TimeInForce
from oms_engine.framework.state_machine import StateMachine, TransitionResult
from oms_engine.settings import Settings
from oms_engine.storage.archive import _LINES
from oms_engine.storage.sinks import KINDS
from tests.docs.checks import Check, Known, differences
from tests.docs.contracts import fix_tag
from tests.docs.pages import Pages, Place, Row, codes, links, words
from tests.docs.pictures import ROOT
from tests.docs.surface import line_commands
from tests.oms_engine.test_matrix import BY_PROFILE

MATRIX = Place("concepts/order-lifecycle.md", "5-commands-and-states")
_COLUMNS = {
    "NEW": ("NEW",),
    "UNACK": ("UNACK",),
    "LIVE": ("LIVE", "PART"),
    "FILLED": ("FILLED",),
    "CXL": ("CXL",),
    "REJ, EXP": ("REJ", "EXP"),
    "CLOSED": ("CLOSED",),
}
"""Column of the page -> the states of the tested matrix, where PART is LIVE with fills."""
_FAMILIES = {"S": "STATE", "O": "ORDER", "E": "EXEC"}
_TOO_MUCH = "EXEC-004"
"""What a fill is refused with that is too large: no question of states, and told elsewhere."""
_ELSEWHERE = {("OrderReplaceAcceptCmd", "LIVE"): {"FILLED"}}
"""What the tested matrix does not do: a replace down to what is executed is told in N18."""
_TOGETHER = {"Whack, bust, correct": ("ExecutionWhackCmd", "ExecutionBustCmd", "ExecutionCorrectCmd")}


def _outcomes(profile: str, commands: Iterable[str], states: Iterable[str], *, pending: bool) -> set[str]:
    """What comes of commands in states, as the page writes it; with or without a request that is open."""
    found = {
        outcome
        for (command, state), outcome in BY_PROFILE[profile].items()
        if command.partition("/")[0] in commands and state.partition("+")[0] in states and ("+" in state) is pending
    }
    return {_as_told(outcome) for outcome in found} - {_TOO_MUCH}


def _as_told(outcome: str) -> str:
    family, dash, number = outcome.partition("-")
    return f"{_FAMILIES[family]}-{number}" if dash else outcome.partition("+")[0]


def _tokens(text: str) -> set[str]:
    return set(re.findall(rf"\b(?:(?:STATE|ORDER|EXEC)-\d{{3}}|{'|'.join(State.__members__)})\b", text))


def _matrix(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(MATRIX).rows
    listed = [name for row in rows for name in _TOGETHER.get(row["Command"], (row["Command"],))]
    known = {command.partition("/")[0] for command, _ in BY_PROFILE["standard"]}
    found = differences("command with its states", listed, known)
    return found + [problem for row in rows for column in _COLUMNS for problem in _cell(row, column)]


def _cell(row: Row, column: str) -> list[str]:
    commands, states = _TOGETHER.get(row["Command"], (row["Command"],)), _COLUMNS[column]
    plain = re.sub(r"\[[^\]]*\]", "", row[column])
    told = _tokens(plain)
    if column == "REJ, EXP" and "REJ " in plain:
        told -= {"REJ"}  # names the state that it is about, and no outcome
    always = _outcomes("standard", commands, states, pending=False)
    sometimes = (
        always | _outcomes("standard", commands, states, pending=True) | _ELSEWHERE.get((row.first, column), set())
    )
    found = [f"{row.first} in {column}: {item} is not told" for item in sorted(always - told)]
    found += [f"{row.first} in {column}: {item} never happens" for item in sorted(told - sometimes)]
    for profile in ("desk", "matrix"):
        others = _outcomes(profile, commands, states, pending=False) - sometimes
        remark = re.search(rf"\[{profile}: ([^\]]*)\]", row[column])
        said = _tokens(remark[1]) - ({"EXP"} if profile == "matrix" else set()) if remark else set()
        if remark and remark[1].startswith("as "):
            said = _tokens(row[remark[1].removeprefix("as ")]) - _tokens(plain)
        if not others <= said | sometimes or (remark and not said & others) or (others and not remark):
            found.append(f"{row.first} in {column}: {profile} gives {sorted(others)} as well, told is {sorted(said)}")
    return found


REPORTS = Place("concepts/executions.md", "21-which-market-report-is-which-command")


def _reports(pages: Pages, _: Known) -> list[str]:
    """The docstring of a command names the report that it records."""
    rows = pages.table(REPORTS).rows
    told = [(code, row["Command"]) for row in rows for code in words(row["ExecType"].partition(", tag")[0])]
    known = [
        (code.removeprefix("ExecType "), name)
        for name, command in COMMANDS.items()
        for code in re.findall(r"\((ExecType \w|message 9)\)", command.__doc__ or "")
        if name != "OrderCloseCmd"
    ]
    fills = [(kind, "ExecutionCreateCmd") for kind in FILL_TYPES if kind != "F"]
    return differences("report and command", told, [*known, *fills])


LEVELS = Place("concepts/executions.md", "8-approval-levels")


def _levels(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(LEVELS).rows
    told = [(row["Required level"].split(",")[0], _lowest(row["Notional"])) for row in rows]
    known = zip(ApprovalLevel, (int(bound) for bound in Settings().whack_levels), strict=True)
    return differences("approval level and where it begins", told, [(level.value, least) for level, least in known])


def _lowest(text: str) -> int:
    """The lower end of an amount: `below 50,000` begins at 0."""
    return 0 if text.startswith("below") else int(text.split(maxsplit=1)[0].replace(",", ""))


SHAPE = Place("concepts/order-tree.md", "1-shape")


def _shape(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(SHAPE).rows
    return [
        *differences("role", [row["`role`"] for row in rows], [role.value for role in Role]),
        *differences("leg", {row["`leg`"] for row in rows}, [leg.value for leg in Leg]),
    ]


NUMBERS = Place("concepts/quantities.md", "1-the-four-numbers")
INVARIANTS = Place("concepts/quantities.md", "5-invariants")


def _numbers(pages: Pages, _: Known) -> list[str]:
    told = [(row["Number"].strip("`"), row["FIX tag"]) for row in pages.table(NUMBERS).rows]
    names = ("orderQty", "cumQty", "leavesQty", "avgPx")
    return differences("number and FIX tag", told, [(name, fix_tag(Order, name)) for name in names])


def _invariants(pages: Pages, _: Known) -> list[str]:
    """The engine names an invariant that is broken by its id, and has no other ones."""
    source = (ROOT / "oms_engine/domain/decider/invariants.py").read_text(encoding="utf-8")
    told = [row["Id"] for row in pages.table(INVARIANTS).rows]
    return differences("invariant", told, set(re.findall(r"\b(I\d): ", source)))


CLASSES = (
    Place("concepts/asset-classes.md", "2-which-class-an-order-belongs-to"),
    Place("contracts/order-model.md", "23-asset-class"),
)


def _classes(pages: Pages, _: Known) -> list[str]:
    """Both pages have the same conditions in the same order, and every class is reached by one of them."""
    told = [
        [tuple(cell.replace("`", "") for cell in row.cells) for row in pages.table(place).rows] for place in CLASSES
    ]
    found = differences("condition of a class", *told)
    for rows in told:
        found += differences("class", {result for _, result in rows}, [kind.value for kind in AssetClass])
    return found if told[0] == told[1] or found else ["the conditions of classes stand in another order"]


EXPIRY = Place("concepts/ending-an-order.md", "4-expire")


def _expiry(pages: Pages, _: Known) -> list[str]:
    told = [name.strip("`") for name in pages.table(EXPIRY).column("`timeInForce`")]
    special = [tif.value for tif in TimeInForce if tif.value.startswith("GOOD_TILL") and "CROSSING" not in tif.value]
    return differences("time in force of an expiry", told, [*special, "all others"])


PRIVACY = Place("guides/erase-personal-data.md", "1-what-is-personal")


def _privacy(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(PRIVACY).rows
    told = [
        (event, field)
        for row in rows
        for event in words(row["Event"])
        for field in codes(row["Fields"].partition(" of ")[0])
    ]
    known = [(event, name.rpartition(".")[2]) for event, names in PERSONAL.items() for name in names]
    return differences("personal field", [item for item in told if item[0] != "SettingsChanged"], known) + (
        [] if any(item[0] == "SettingsChanged" for item in told) else ["limits for an account are not told"]
    )


OPERATIONS = Place("framework/state-machine.md", "21-single-steps")
WALK = Place("framework/state-machine.md", "22-sequences")


def _machine(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(OPERATIONS).rows
    told = [name.partition("(")[0] for row in rows for name in codes(row["Operation"])]
    told += [name for name in ("transition_sequence", "validate_sequence") if name in pages.own_text(*_WALK)]
    known = [name for name in vars(StateMachine) if not name.startswith("_")]
    members = [name for row in pages.table(WALK).rows for name in codes(row["Member of the result"])]
    return [
        *differences("operation of the machine", told, known),
        *differences("member of a walk", members, TransitionResult.__annotations__),
    ]


_WALK = (WALK.path, WALK.anchor)
LINES = Place("guides/operate-and-recover.md", "51-the-lines")


def _lines(pages: Pages, _: Known) -> list[str]:
    told = [name.strip("`") for name in pages.table(LINES).column("`kind`")]
    return differences("line of an export", told, _LINES)


PLACEMENT = Place("concepts/order-tree.md", "3-the-placement-guard")
TAKING_BACK = Place("concepts/executions.md", "61-what-is-computed")
ENDINGS = Place("concepts/ending-an-order.md", "1-four-ways-to-end-and-one-to-close")
FIX_PAGE = "concepts/fix-state-changes.md"
FIX_MATRICES = Place(FIX_PAGE, "2-every-matrix-and-its-scenario")


def _every_state(what: str, place: Place, column: str) -> Check:
    """Each state stands in the table once, beside rows that tell of something else."""

    def problems(pages: Pages, _: Known) -> list[str]:
        told = [name for cell in pages.table(place).column(column) for name in words(cell)]
        return differences(what, [name for name in told if name in State.__members__], [state.value for state in State])

    return Check(what, problems, (place,))


def _placed(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(PLACEMENT).rows
    special = [row["Child"] for row in rows if " below " in row["Child"]]
    told = [state for row in rows if row["Child"] not in special for state in words(row["Child"])]
    return [
        *differences("state of a child", told, [state.value for state in State]),
        *differences("child that counts nothing", special, ["NEW below a parent that has ended"]),
    ]


def _endings(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(ENDINGS).rows
    told = [(row["State"], row["Command"].split()[-1]) for row in rows]
    final = (state for state in State if state not in OPEN_STATES)
    return differences("ending and its command", told, [(state.value, COMMAND_INTO[state]) for state in final])


def _fix_matrices(pages: Pages, _: Known) -> list[str]:
    """Every story of the page stands in the line of its matrix; two matrices have none, and their lines say so."""
    rows = pages.table(FIX_MATRICES).rows
    told = [
        (f"FIX-{row['Matrix'].replace('.', '')}", *_link(row["Scenario"])) for row in rows if "](" in row["Scenario"]
    ]
    without = [row["Matrix"] for row in rows if row["Scenario"].startswith("not expressible: ")]
    stories = re.findall(r"^id: (\S+)$", pages.text(FIX_PAGE), re.MULTILINE)
    return [
        *differences("matrix with a story", [name for name, *_ in told], stories),
        *differences("matrix without a story", without, ["K.1.a", "L.1.a"]),
        *(f"{matrix} links to {name}" for matrix, name, _ in told if matrix != name),
        *(f"{target} leads nowhere" for _, _, target in told if not pages.leads(FIX_PAGE, target)),
    ]


def _story(matrix: str) -> str:
    return f"FIX-{matrix.replace('.', '')}"


def _link(cell: str) -> tuple[str, str]:
    (found,) = links(cell)
    return found


SINKS = Place("framework/outbox.md", "3-sinks")
OUTBOX_COMMANDS = Place("framework/outbox.md", "71-all-commands")


def _sinks(pages: Pages, _: Known) -> list[str]:
    told = [kind.strip("`") for kind in pages.table(SINKS).column("Kind")]
    commands = [
        " ".join(code.split()[1:3]) for cell in pages.table(OUTBOX_COMMANDS).column("Command") for code in codes(cell)
    ]
    return [
        *differences("kind of a sink", told, KINDS),
        *differences(
            "command of the outbox", commands, [name for name in line_commands() if name.startswith("outbox ")]
        ),
    ]


CHECKS = (
    Check("commands by state", _matrix, (MATRIX,)),
    Check("market reports", _reports, (REPORTS,)),
    Check("approval levels", _levels, (LEVELS,)),
    Check("places in a tree", _shape, (SHAPE,)),
    Check("numbers and FIX tags", _numbers, (NUMBERS,)),
    Check("invariants", _invariants, (INVARIANTS,)),
    Check("conditions of classes", _classes, CLASSES),
    Check("expiry by time in force", _expiry, (EXPIRY,)),
    Check("personal fields", _privacy, (PRIVACY,)),
    Check("operations of the state machine", _machine, (OPERATIONS, WALK)),
    Check("lines of an export", _lines, (LINES,)),
    _every_state("what a bust does in each state", TAKING_BACK, "State"),
    Check("what a child holds in each state", _placed, (PLACEMENT,)),
    Check("endings", _endings, (ENDINGS,)),
    Check("FIX matrices", _fix_matrices, (FIX_MATRICES,)),
    Check("sinks and commands of the outbox", _sinks, (SINKS, OUTBOX_COMMANDS)),
)
