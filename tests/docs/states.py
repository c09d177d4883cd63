"""Are states, transitions and pictures of lifecycles told as the code has them?"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import partial

from oms_engine.domain.lifecycle import COMMAND_INTO, CORRECTIONS, MACHINES, TRANSITIONS
from oms_engine.domain.rules.quote import QUOTE_MACHINE, QUOTE_REQUEST_MACHINE
from oms_engine.domain.vocabulary import AllocState, CancelState, ExecutionStatus, QuoteState, State
from oms_engine.framework.state_machine import StateMachine
from tests.docs import stories
from tests.docs.checks import Check, Known, differences
from tests.docs.mermaid import NotUnderstood, Picture, read
from tests.docs.pages import Pages, Place, words

LIFECYCLE = "concepts/order-lifecycle.md"
MACHINE = "framework/state-machine.md"
PICTURES = "illustrations/state-machines.md"

STATES = Place(LIFECYCLE, "2-states")
STEPS = Place(LIFECYCLE, "3-transitions")
LIVES = Place(LIFECYCLE, "31-the-complete-lives")
PROFILES = Place(MACHINE, "3-profiles")
OPEN_QUANTITY = Place("concepts/quantities.md", "22-open-quantity")
CANCEL_STATES = Place("concepts/replace-and-cancel.md", "11-what-cancelstate-says")
CANCEL = Place("concepts/ending-an-order.md", "2-cancel")
QUOTES = Place("concepts/quotes.md", "2-states")
ALLOCATION = Place("concepts/allocation.md", "1-givers-and-receivers", "`allocState`")
EXECUTIONS = Place("concepts/executions.md", "1-scope")


def _states(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(STATES).rows
    told = [(row["State"], row["OrdStatus (FIX 39)"].split(",")[0]) for row in rows]
    takes = [row["State"] for row in rows if row["Takes fills"] == "yes"]
    return [
        *differences("state and FIX code", told, [(state.value, state.fix) for state in State]),
        *differences("state that takes fills", takes, [State.LIVE.value]),
    ]


def _steps(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(STEPS).rows
    told = [(start, row["To"]) for row in rows for start in words(row["From"])]
    by = [(row["To"], COMMAND_INTO[State[row["To"]]] in row["Command"]) for row in rows]
    known = [(start.value, to.value) for start, targets in TRANSITIONS["standard"].items() for to in targets]
    return [
        *differences("transition", told, [("(nothing)", "NEW"), *known]),
        *differences("state with the command into it", by, [(state.value, True) for state in State]),
    ]


def _lives(pages: Pages, _: Known) -> list[str]:
    told = [tuple(words(row["Path"])) for row in pages.table(LIVES).rows]
    return differences("complete life", told, [tuple(path) for path in _paths(State.NEW)])


def _paths(state: State) -> Iterator[list[str]]:
    targets = TRANSITIONS["standard"][state]
    if not targets:
        yield [state.value]
    for target in targets:
        for rest in _paths(target):
            yield [state.value, *rest]


def _profiles(pages: Pages, _: Known) -> list[str]:
    table = pages.table(PROFILES)
    found = differences("profile", [name.strip("`") for name in table.header[1:]], TRANSITIONS)
    for profile, transitions in TRANSITIONS.items():
        machine = MACHINES[profile]
        known = [(str(start), str(to)) for start, targets in transitions.items() for to in targets or ("none",)]
        known += [("Initial", str(state)) for state in machine.initial_states]
        known += [("Terminal", str(state)) for state in machine.terminal_states]
        told = [
            (start, to)
            for start, cell in zip(table.column("From"), table.column(f"`{profile}`"), strict=True)
            for to in words(cell)
        ]
        found += differences(f"transition of {profile}", told, known)
    return found


def _open_quantity(pages: Pages, _: Known) -> list[str]:
    told = [state for row in pages.table(OPEN_QUANTITY).rows for state in words(row["State"])]
    return differences("state with its leavesQty", told, [state.value for state in State])


def _values_of(place: Place, column: str, kind: type[Enum], *, also: tuple[str, ...] = ()) -> Check:
    """The column has each value of an enumeration, and those beside it."""

    def problems(pages: Pages, _: Known) -> list[str]:
        told = [name.strip("`") for name in pages.table(place).column(column)]
        return differences(f"{kind.__name__} in {place.path}", told, [*(member.value for member in kind), *also])

    return Check(f"{kind.__name__} in {place.path}", problems, (place,))


def _cancel_states(pages: Pages, _: Known) -> list[str]:
    told = [(row.first, row["FIX"].split()[-1]) for row in pages.table(CANCEL_STATES).rows]
    known = [(state.value, state.fix) for state in CancelState]
    ending = [row.first for row in pages.table(CANCEL).rows]
    return [
        *differences("cancelState and FIX code", told, [("null", "-"), *known]),
        *differences("cancelState of a cancel", ending, ["null", "PCXL", "CXL", "REJ"]),
    ]


def _quotes(pages: Pages, _: Known) -> list[str]:
    told = [
        (of, start, to.split()[0])
        for row in pages.table(QUOTES).rows
        for of in ("request", "quote")
        if of in row["Of"] or row["Of"] == "both"
        for start in words(row["From"])
        for to in words(row["To"].replace(", by its first quote", ""))
    ]
    known = [
        (of, start.value, to)
        for of, machine, states in _quote_machines()
        for start in states
        for to in sorted(target.value for target in machine.get_valid_transitions(start)) or ["nothing"]
    ]
    return differences("step of a quote", told, known)


def _quote_machines() -> Iterator[tuple[str, StateMachine[QuoteState], list[QuoteState]]]:
    """A quote begins in QUOTED: PENDING is a state of requests alone."""
    yield "request", QUOTE_REQUEST_MACHINE, list(QuoteState)
    yield "quote", QUOTE_MACHINE, [state for state in QuoteState if state is not QuoteState.PENDING]


def _picture(pages: Pages, place: Place) -> Picture:
    fences = pages.fences_of(place.path, place.anchor, "mermaid")
    return read(fences[0].text) if len(fences) == 1 else Picture("", {}, ())


Steps = Mapping[tuple[str, str], str]


def pictured(what: str, place: Place, steps: Callable[[], Steps]) -> Check:
    """A picture has every step with the word that must stand on it, and none beside them."""

    def problems(pages: Pages, _: Known) -> list[str]:
        known = steps()
        try:
            arrows = _picture(pages, place).arrows
        except NotUnderstood as line:
            return [f"{what}: the picture has a line that cannot be read: {line}"]
        labels = {(arrow.start, arrow.end): arrow.label for arrow in arrows}
        return [
            *differences(what, [(arrow.start, arrow.end) for arrow in arrows], known),
            *(
                f"{what}: {start} --> {end} must say {known[start, end]}, not {label}"
                for (start, end), label in labels.items()
                if known.get((start, end), "") not in label
            ),
        ]

    return Check(what, problems, pictures=(place,))


def steps_of(machine: StateMachine[State]) -> dict[tuple[str, str], str]:
    """The arrows of a picture of a lifecycle: steps, where it begins and ends, and the correction."""
    steps = {(start.value, to.value): "" for start in State for to in State if machine.is_valid_transition(start, to)}
    steps |= {("[*]", state.value): "" for state in machine.initial_states}
    steps |= {(state.value, "[*]"): "" for state in machine.terminal_states}
    return steps | {(start.value, to.value): "correction" for start, targets in CORRECTIONS.items() for to in targets}


def _quote_steps(machine: StateMachine[QuoteState], states: list[QuoteState]) -> dict[tuple[str, str], str]:
    steps = {(start.value, to.value): "" for start in states for to in machine.get_valid_transitions(start)}
    steps |= {("[*]", states[0].value): ""}
    return steps | {(state.value, "[*]"): "" for state in states if machine.is_terminal_state(state)}


def _cancel_steps() -> Steps:
    """Every step that any story takes: whoever finds another one tells it in a story."""
    return stories.cancel_steps() | {("CXL", "[*]"): ""}


CHECKS = (
    Check("states", _states, (STATES,)),
    Check("transitions", _steps, (STEPS,)),
    Check("complete lives", _lives, (LIVES,)),
    Check("profiles", _profiles, (PROFILES,)),
    Check("open quantity by state", _open_quantity, (OPEN_QUANTITY,)),
    Check("cancelState", _cancel_states, (CANCEL_STATES, CANCEL)),
    Check("steps of quotes", _quotes, (QUOTES,)),
    _values_of(ALLOCATION, "`allocState`", AllocState),
    _values_of(EXECUTIONS, "Status", ExecutionStatus),
    pictured(
        "picture beside the profiles",
        Place(MACHINE, "31-the-standard-lifecycle-as-a-picture"),
        partial(steps_of, MACHINES["standard"]),
    ),
    pictured("picture of standard", Place(PICTURES, "1-the-profile-standard"), partial(steps_of, MACHINES["standard"])),
    pictured("picture of matrix", Place(PICTURES, "2-the-profile-matrix"), partial(steps_of, MACHINES["matrix"])),
    pictured("picture of desk", Place(PICTURES, "3-the-profile-desk"), partial(steps_of, MACHINES["desk"])),
    pictured("picture of cancelState", Place(PICTURES, "4-cancelstate"), _cancel_steps),
    pictured(
        "picture of quote requests",
        Place(PICTURES, "5-quote-requests"),
        partial(_quote_steps, QUOTE_REQUEST_MACHINE, list(QuoteState)),
    ),
    pictured(
        "picture of quotes",
        Place(PICTURES, "6-quotes"),
        partial(_quote_steps, QUOTE_MACHINE, [state for state in QuoteState if state is not QuoteState.PENDING]),
    ),
)
