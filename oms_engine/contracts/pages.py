"""What does the code itself say of its commands, states, events, rules and records? Pages of markdown."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from itertools import chain
from typing import Any

from oms_engine.contracts.catalogue import TYPES, names, type_named
from oms_engine.contracts.description import described, enumeration
from oms_engine.contracts.text import enum_line, field_table, record_section, type_line
from oms_engine.domain.catalogue import RULES, STATEMENTS, citation
from oms_engine.domain.commands import ENVELOPE_FIELDS
from oms_engine.domain.lifecycle import COMMAND_INTO, CORRECTIONS, MACHINES, MEANINGS, TRANSITIONS
from oms_engine.domain.rules.assets import EVERY_CLASS, PACKS
from oms_engine.domain.rules.envelope import EVERY_COMMAND
from oms_engine.domain.rules.quote import QUOTE_MACHINE, QUOTE_REQUEST_MACHINE
from oms_engine.domain.rules.risk import PACE
from oms_engine.domain.vocabulary import (
    AllocState,
    AllocStatus,
    CancelState,
    CommandStatus,
    CxlRejReason,
    ExecutionStatus,
    OrdRejReason,
    QuoteState,
    State,
)
from oms_engine.errors import CODES
from oms_engine.framework.state_machine import StateMachine
from oms_engine.workflows import WORKFLOWS, rules_of

_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Envelope": ("ENV",),
    "Orders and their terms": ("ORD", "TICK"),
    "Asset classes": ("EQ", "SHT", "DRV", "FND", "STR", "FX", "DIG"),
    "Executions": ("EX",),
    "Corrections of executions": ("WHK", "BST", "COR"),
    "Lifecycle and endings": ("LIF", "END"),
    "Cancels and replaces": ("CXL", "RPL"),
    "Parents and children": ("PAR",),
    "Groups": ("GRP",),
    "Allocation": ("ALC",),
    "Quotes": ("QUO",),
    "Risk": ("RSK",),
    "Settings, queries and confirmation": ("SET", "QRY", "CNF"),
}
"""What a section of the rules is about -> the families of rules in it."""

_SUBJECTS: Mapping[str, str] = {
    "Order": "Orders",
    "Execution": "Executions",
    "Allocation": "Allocation",
    "Quote": "Quotes",
    "Settings": "Settings, prices and personal data",
    "Reference": "Settings, prices and personal data",
    "Personal": "Settings, prices and personal data",
}
"""Beginning of the name of a command or an event -> what it is about."""


def commands_page() -> str:
    """All commands with what they ask, where they lead, and which rules they are asked."""
    lines = [
        *_head("Commands of the code", "Every command with its own fields and rules; `?` marks what may be absent."),
        *("## Envelope of every command", "", "Beside `type`, its name, and its own fields each command may have:", ""),
        *field_table([field for field in type_named("OrderCloseCmd").fields if field.attribute in ENVELOPE_FIELDS]),
        "",
    ]
    return _joined([*lines, *_by_subject("Commands", names("command"))])


def events_page() -> str:
    """All events with what they carry."""
    lines = _head(
        "Events of the code",
        "Every event with the fields of its payload; `?` marks what may be absent. spec://schema/StoredEvent is what "
        "stands around a payload.",
    )
    return _joined([*lines, *_by_subject("Events", names("event"))])


def states_page() -> str:
    """States and transitions of orders, and the states of everything else."""
    lines = [
        *_head("States of the code", "The lifecycle in its profiles, and every other state there is."),
        *("## States of an order", ""),
        *("| State | FIX 39 | Command that leads there | Meaning |", "|---|---|---|---|"),
        *(f"| {state} | {state.fix} | {COMMAND_INTO[state]} | {MEANINGS[state]} |" for state in State),
        *("", "## Transitions by profile", ""),
        *(f"| From | {' | '.join(TRANSITIONS)} |", "|---|" + "---|" * len(TRANSITIONS)),
        *map(_transitions, State),
        "",
        "An order begins as NEW. Only whack, bust and correct lead back: "
        + "; ".join(f"{start} to {', '.join(targets)}" for start, targets in CORRECTIONS.items())
        + ".",
        *("", "## States of a quote and of its request", ""),
        *("| From | Quote | Request |", "|---|---|---|"),
        *(
            f"| {state} | {_following(QUOTE_MACHINE, state)} | {_following(QUOTE_REQUEST_MACHINE, state)} |"
            for state in QuoteState
        ),
        *("", "## Other states and reasons", ""),
        *map(enum_line, map(enumeration, _OTHER_STATES)),
    ]
    return _joined(lines)


def rules_page() -> str:
    """All rules, statements and error codes, each with the section that explains it."""
    lines = _head(
        "Rules and error codes of the code",
        "What must hold, what is answered when it does not, and who is asked. Each section opens with read_kb. A rule "
        "without a code here is kept while a request is read, or is what the engine does by itself.",
    )
    for title, families in _FAMILIES.items():
        lines += [f"## {title}: rules {', '.join(families)}", "", *_RULES_HEAD]
        lines += [*(row for family in families for row in _rule_rows(family)), ""]
    bad = [code for code, row in CODES.items() if row.status == _BAD_REQUEST]
    lines += ["## Error codes of what a request says", "", *_CODES_HEAD, *map(_code_row, bad), ""]
    others = [code for code in CODES if code not in bad]
    return _joined([*lines, "## Error codes of what stands in its way", "", *_CODES_HEAD, *map(_code_row, others)])


def records_page() -> str:
    """All records that are neither commands nor events."""
    lines = _head(
        "Records of the code",
        "What the engine answers with, and the parts of commands. spec://schema/NAME has each in every format.",
    )
    for name in names("record"):
        lines += record_section(type_named(name))
    return _joined(lines)


def index_page() -> str:
    """Everything that has an address."""
    lines = ["# Contracts", "", "Pages: " + ", ".join(f"spec://{page}" for page in PAGES) + "."]
    for group in ("command", "event", "record"):
        lines += ["", f"## Every {group}", ""]
        lines += [f"- spec://schema/{name}: {described(TYPES[name]).description}" for name in names(group)]
    return _joined(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "index": index_page,
    "commands": commands_page,
    "states": states_page,
    "events": events_page,
    "rules": rules_page,
    "records": records_page,
}
"""Name -> how the page is written."""

_BAD_REQUEST = 400
_EVERYBODY = "every command"
_MOST_TOLD = 4
"""Of more commands than so many only their number is told."""

_OTHER_STATES: tuple[type[Enum], ...] = (
    CancelState,
    ExecutionStatus,
    AllocState,
    AllocStatus,
    CommandStatus,
    CxlRejReason,
    OrdRejReason,
)


def spec_documents() -> dict[str, str]:
    """The pages as documents of a knowledge base, by their path below `spec/`."""
    return {f"{name}.md": write() for name, write in PAGES.items() if name != "index"}


def _head(title: str, words: str) -> list[str]:
    return [f"# {title}", "", "**Status:** generated | **Category:** spec", "", words, ""]


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def _by_subject(what: str, known: Iterable[str]) -> Iterator[str]:
    subjects: dict[str, list[str]] = {}
    for name in known:
        subject = next(subject for start, subject in _SUBJECTS.items() if name.startswith(start))
        subjects.setdefault(subject, []).append(name)
    for subject, found in subjects.items():
        yield from (f"## {what}: {subject}", "", *map(type_line, found), "")


def _transitions(state: State) -> str:
    return f"| {state} | {' | '.join(_following(machine, state) for machine in MACHINES.values())} |"


def _following(machine: StateMachine[Any], state: Enum) -> str:
    following = machine.get_valid_transitions(state)
    return ", ".join(str(each) for each in type(state) if each in following) or "nothing"


_RULES_HEAD = ("| Rule | What must hold | Code | Asked of | Section |", "|---|---|---|---|---|")
_CODES_HEAD = ("| Code | Status | Again | Meaning | Way out | Section |", "|---|---|---|---|---|---|")


def _code_row(code: str) -> str:
    row = CODES[code]
    again = "yes" if row.retryable else "no"
    return f"| {code} | {row.status} | {again} | {row.title} | {row.remedy} | `{row.citation}` |"


def _rule_rows(family: str) -> Iterator[str]:
    for name, (_, words) in (RULES | STATEMENTS).items():
        if name.rpartition("-")[0] == family:
            yield f"| {name} | {words} | {_codes_of(name)} | {_asked_of(name)} | `{citation(name)}` |"


def _codes_of(rule_id: str) -> str:
    return ", ".join(_codes().get(rule_id, ())) or "-"


@cache
def _codes() -> Mapping[str, list[str]]:
    """Rule -> the codes that it gives."""
    found: dict[str, list[str]] = {}
    for rule in (*chain(*map(rules_of, WORKFLOWS)), *EVERY_CLASS, *chain(*PACKS.values())):
        given = found.setdefault(rule.id, [])
        if rule.code not in given:
            given.append(rule.code)
    return found


def _asked_of(rule_id: str) -> str:
    asked = [who for who, rules in _askers().items() if rule_id in rules]
    if asked[:1] == [_EVERYBODY]:
        return _EVERYBODY
    return f"{len(asked)} commands" if len(asked) > _MOST_TOLD else ", ".join(asked) or "-"


@cache
def _askers() -> Mapping[str, frozenset[str]]:
    """Who is asked -> which rules; what every command is asked comes first."""
    every = frozenset(rule.id for rule in EVERY_COMMAND) | {rule.id for rule in PACE}
    own = {name: frozenset(rule.id for rule in rules) for name, rules in WORKFLOWS.items()}
    by_class = {f"orders of {name}": frozenset(rule.id for rule in rules) for name, rules in PACKS.items()}
    return {_EVERYBODY: every, "every new order": frozenset(rule.id for rule in EVERY_CLASS), **own, **by_class}
