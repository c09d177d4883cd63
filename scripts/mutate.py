"""Does a test notice when a rule, a transition or a citation is gone? Each is switched off in a child process, alone.

A rule is one object of the tables that the commands are asked, so an id that stands for many fields is tried field by
field; a refusal is what the readers of input tell without such an object; what the engine does of itself, such as a
parent that follows its children, is a function that is exchanged for one that does not. Nothing in the packages knows
of this: the child changes their tables in memory, runs the tests that should notice and ends at the first failure.
Prints each survivor and `killed N / total M`; ends with 1 unless all are killed.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import hypothesis
import pytest

from knowledge_base import Library  # noqa: F401 - loaded once here, shared by every child
from oms_engine import collecting, engine, executor, workflows
from oms_engine.domain import catalogue, commands, filters, lifecycle
from oms_engine.domain.decider import allocation, evolve, order, tree
from oms_engine.domain.events import OrderCancelled
from oms_engine.domain.rules import assets, quote
from oms_engine.domain.vocabulary import OPEN_STATES, QuoteState, State
from oms_engine.errors import CODES
from oms_engine.framework.state_machine import StateMachine
from oms_engine.framework.validation import Rule
from oms_engine.workflows import WORKFLOWS, rules_of
from oms_mcp import arguments, server  # noqa: F401 - as above

ROOT = Path(__file__).parent.parent
HERE = "tests/oms_engine"

TABLES = [f"{HERE}/test_rules.py", f"{HERE}/test_rules_of_trees.py", f"{HERE}/test_matrix.py"]
ENGINE_TESTS = [
    path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / HERE).iterdir(), key=lambda path: (path.is_dir(), path.name))
    if path.match("test_*.py") or (path.is_dir() and path.name != "__pycache__")
]
"""All of them, folders last: what simulates takes longest."""

FACE_TESTS = ["tests/oms_mcp"]
STATE_TESTS = ([f"{HERE}/test_lifecycle.py"], ENGINE_TESTS)
QUOTE_TESTS = ([f"{HERE}/test_quotes.py"], ENGINE_TESTS)
WORD_TESTS = (["tests/test_docs.py", "-k", "section_that_it_cites"],)
ALL_TESTS = (ENGINE_TESTS, FACE_TESTS, *WORD_TESTS)
"""Tests that should notice: those most likely to first, so that most children end after a second."""

Stages = tuple[list[str], ...]

FAMILIES: dict[str, tuple[str, ...]] = {
    "ENV-05": ("test_idempotency.py",),
    "ORD-19": ("test_idempotency.py",),
    "ORD-20": ("test_tree.py",),
    "END-03": ("test_tree.py", "test_groups.py"),
    "PAR": ("test_tree.py",),
    "ALC": ("test_allocation.py",),
    "GRP": ("test_groups.py",),
    "RPL": ("test_replace.py",),
    "CXL": ("test_replace.py", "test_tree.py", "test_groups.py"),
    "COR": ("test_corrections.py",),
    "QUO": ("test_quotes.py",),
    "RSK": ("test_risk.py",),
    "SET": ("test_settings_changes.py",),
    **dict.fromkeys(("EQ", "SHT", "DRV", "FND", "STR", "FX", "DIG"), ("test_assets.py",)),
}
"""Rule or family of rules -> the tests that are written for it; the others stand in the tables."""

REFUSALS: dict[str, tuple[str, ...]] = {
    "reading": ("ENV-01", "ENV-02", "ENV-03", "ENV-06", "ORD-21"),
    "query": ("QRY-02", "QRY-03", "QRY-04", "QRY-05"),
    "filters": ("QRY-01",),
    "engine": ("ENV-09", "ENV-10"),
    "lifecycle": ("ORD-21",),
    "arguments": ("ENV-02", "ENV-06", "ENV-07", "ORD-21", "CNF-01"),
}
"""Which rules are told without an object of a table, and where: by a reader, or by what stands in a module."""

SPEAKERS: dict[str, list[str]] = {
    "reading": ["tests/oms_engine/test_envelopes.py"],
    "query": ["tests/oms_engine/test_filters.py"],
    "filters": ["tests/oms_engine/test_filters.py"],
    "engine": ["tests/oms_engine/test_engine.py"],
    "lifecycle": ["tests/oms_engine/test_engine.py"],
    "arguments": ["tests/oms_mcp/test_bad_input.py", "tests/oms_mcp/test_orders.py"],
}
"""The tests that listen to each of these places."""

MODULES: dict[str, ModuleType] = {
    "filters": filters,
    "engine": engine,
    "lifecycle": lifecycle,
    "arguments": arguments,
}

QUOTE_MACHINES: dict[str, StateMachine[QuoteState]] = {
    "request": quote.QUOTE_REQUEST_MACHINE,
    "quote": quote.QUOTE_MACHINE,
}


def _rules_by_asker() -> Iterator[tuple[str, Rule[Any]]]:
    for command in WORKFLOWS:
        for rule in rules_of(command):
            yield command, rule
    for rule in assets.EVERY_CLASS:
        yield "orders of every class", rule
    for asset_class, pack in assets.PACKS.items():
        for rule in pack:
            yield f"{asset_class} orders", rule


def _named_rules() -> dict[str, Rule[Any]]:
    """Every rule object, under its id, code and field, and who is asked it."""
    asked: dict[int, tuple[Rule[Any], list[str]]] = {}
    for asker, rule in _rules_by_asker():
        asked.setdefault(id(rule), (rule, []))[1].append(asker)
    named: dict[str, Rule[Any]] = {}
    for rule, askers in asked.values():
        of = "every command" if len(askers) == len(WORKFLOWS) else ", ".join(askers)
        name = f"{rule.id} {rule.code} {rule.field} of {of}"
        named[f"{name} ({1 + sum(other.startswith(name) for other in named)})" if name in named else name] = rule
    return named


RULE_OBJECTS = _named_rules()


def _switch_rule_off(name: str) -> None:
    object.__setattr__(RULE_OBJECTS[name], "applies", lambda _: False)


def _rules_off(family: str, code: str = "") -> Callable[[], None]:
    """A switch for all rule objects of a family, or for those of them with this code."""

    def switch() -> None:
        for name in RULE_OBJECTS:
            if name.startswith(family) and code in name:
                _switch_rule_off(name)

    return switch


def _nothing(*_: Any) -> None:  # noqa: ANN401 - stands in for any function
    """Does what a rule says when it is switched off."""


def _exchange(module: Any, name: str, other: Callable[..., Any]) -> Callable[[], None]:  # noqa: ANN401 - a module or class
    """A switch that puts another function in the place of one."""
    return lambda: setattr(module, name, other)


def _wrap(module: Any, name: str, other: Callable[..., Any]) -> Callable[[], None]:  # noqa: ANN401 - as above
    """The same where the other function asks the first one, which it gets before the arguments."""
    first = getattr(module, name)
    return _exchange(module, name, lambda *args: other(first, *args))


def _without(table: dict[Any, Any], key: object) -> Callable[[], None]:
    return lambda: table.update({key: _nothing})


def _freed_by_nobody(first: Callable[..., None], book: Any, parent_id: str, child_id: str) -> None:  # noqa: ANN401 - a book
    if book.order(child_id).order.state in OPEN_STATES:
        first(book, parent_id, child_id)


def _not_below_ended(first: Callable[..., None], book: Any, order_id: str, lot: Any) -> None:  # noqa: ANN401 - as above
    parent = book.parent(book.order(order_id))
    if parent is None or parent.order.state in OPEN_STATES:
        first(book, order_id, lot)


def _kept_new(first: Callable[..., None], book: Any, order_id: str) -> None:  # noqa: ANN401 - as above
    before, book.machine = book.machine, lifecycle.MACHINES["standard"]
    first(book, order_id)
    book.machine = before


def _served_by_id(lot: Decimal, members: Iterable[allocation.MemberShare], _unit: Decimal) -> dict[str, Decimal]:
    shares = {}
    for member in sorted(members, key=lambda each: each.order_id):
        shares[member.order_id] = min(lot, member.quantity - member.allocated)
        lot -= shares[member.order_id]
    return shares


def _at_the_first_price(first: Callable[..., Any], book: Any, giver: Any, lots: Any) -> Any:  # noqa: ANN401 - as above
    same = [lot.model_copy(update={"price": lots[0].price}) for lot in lots]
    return first(book, giver, same)


def _not_by(kind: str) -> Callable[[], None]:
    """Members do not follow their group by this event."""

    def event(first: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - as above
        found = first(*args)
        return None if type(found).__name__ == kind else found

    return _wrap(tree, "_member_event", event)


def _bust_as_whack() -> None:
    workflows._BY_TASK["ExecutionBustCmd"] = workflows._BY_TASK["ExecutionWhackCmd"]  # noqa: SLF001 - a mutation reaches inside


def _resolve_nothing() -> None:
    def end(book: Any, order_id: str, event: Any, *, cause: str | None = None) -> None:  # noqa: ANN401 - as above
        book.record(order_id, event, cause=cause)

    for module in (tree, order):
        module.__dict__["end"] = end


BEHAVIOURS: dict[str, Callable[[], None]] = {
    **{rule_id: _without(tree.PARENT_RULES, rule_id) for rule_id in tree.PARENT_RULES},
    **{rule_id: _without(tree.RECEIVER_RULES, rule_id) for rule_id in tree.RECEIVER_RULES},
    "PAR-10": _wrap(tree, "_placement_follows", _freed_by_nobody),
    "PAR-12": _wrap(tree, "take_back", _not_below_ended),
    "PAR-13": _exchange(tree, "_cancel_below_ended", _nothing),
    "PAR-15 nothing is released": _exchange(tree, "_release_new_children", _nothing),
    "PAR-15 nothing is cancelled": _wrap(tree, "_release_new_children", _kept_new),
    "PAR-19": _exchange(tree, "_answer_below", _nothing),
    "ALC-05": _wrap(allocation, "lots_of", lambda first, state: first(state)[::-1]),
    "ALC-06": lambda: evolve._CHANGES.update({"AllocationRejected": lambda *_: None}),  # noqa: SLF001 - as above
    "ALC-07": _exchange(tree, "take_back", _nothing),
    "ALC-08": _wrap(tree, "_to_hand_on", lambda first, giver, _approved: first(giver, None)),
    "GRP-10": _exchange(allocation, "share_out", _served_by_id),
    "GRP-11": _wrap(allocation, "_shares", _at_the_first_price),
    "GRP-12": _not_by(OrderCancelled.__name__),
    "GRP-13": _rules_off("RPL-10"),
    "BST-01": _bust_as_whack,
    "QUO-06": _rules_off("QUO", "OMS-QUOTE-003"),
    **{
        f"GRP members follow {kind}": _not_by(kind)
        for kind in ("OrderPlaced", "OrderAccepted", "OrderRejected", "OrderExpired")
    },
    "RPL-08": _exchange(collecting, "candidate_of", _nothing),
    "RPL late answers": _exchange(workflows, "_late_answer", _nothing),
    "RPL resolution of requests": _resolve_nothing,
}
"""What the engine does of itself -> how to make it do so no more; the names begin with a rule, or with its family."""


def _drop_step(machine: StateMachine[Any], steps: str, start: object, target: object) -> None:
    table = dict(getattr(machine.config, steps))
    table[start] -= {target}
    changed: dict[str, Any] = {steps: table}
    machine.config = replace(machine.config, **changed)


def _steps_of_orders(table_of: Callable[[str], Mapping[State, Iterable[State]]]) -> Iterator[str]:
    for profile in lifecycle.TRANSITIONS:
        for start, targets in table_of(profile).items():
            for target in targets:
                yield f"{profile} {start} {target}"


def _drop_order_step(steps: str, name: str) -> None:
    profile, start, target = name.split()
    _drop_step(lifecycle.MACHINES[lifecycle.read_profile(profile)], steps, State[start], State[target])


def _steps_of_quotes() -> Iterator[str]:
    for name, machine in QUOTE_MACHINES.items():
        for start, targets in machine.config.transitions.items():
            if (name, start) != ("quote", QuoteState.PENDING):  # no quote is ever PENDING
                yield from (f"{name} {start} {target}" for target in sorted(targets))


def _drop_quote_step(name: str) -> None:
    machine, start, target = name.split()
    _drop_step(QUOTE_MACHINES[machine], "transitions", QuoteState[start], QuoteState[target])


def _drop_refusal(name: str) -> None:
    """What this place tells of a rule is told no more."""
    rule_id, place = name.split()
    match place:
        case "reading":
            _read_without(rule_id)
        case "query":
            _query_without(rule_id)
        case _:
            _let_pass(MODULES[place], rule_id)


def _read_without(rule_id: str) -> None:
    parse = commands.parse

    def parse_all(data: Any) -> commands.Draft:  # noqa: ANN401 - an envelope
        draft = parse(data)
        envelope, payload = (
            tuple(found for found in part if found.rule_id != rule_id) for part in (draft.envelope, draft.payload)
        )
        return draft._replace(envelope=envelope, payload=payload)

    executor.__dict__["parse"] = parse_all


def _query_without(rule_id: str) -> None:
    refuse = filters._QueryReader._refuse  # noqa: SLF001 - a mutation reaches inside

    def refuse_others(self: Any, told: str, field: str, message: str) -> None:  # noqa: ANN401 - the reader
        if told != rule_id:
            refuse(self, told, field, message)

    setattr(filters._QueryReader, "_refuse", refuse_others)  # noqa: B010, SLF001 - as above


def _let_pass(module: Any, rule_id: str) -> None:  # noqa: ANN401 - a module
    """A refusal by this rule alone is none any more; what stands behind it cannot go on and raises another error."""
    told: Callable[..., Any] = module.problem_of

    def others(violations: Any, **more: Any) -> Any:  # noqa: ANN401 - as the function replaced
        return _cannot_go_on() if violations[0].rule_id == rule_id else told(violations, **more)

    module.problem_of = others


def _cannot_go_on() -> NoReturn:
    raise RuntimeError("this rule is switched off")


def _uncite_rule(rule_id: str) -> None:
    catalogue._CITATIONS[rule_id] = ""  # noqa: SLF001 - a mutation reaches inside


def _uncite_code(code: str) -> None:
    CODES[code] = CODES[code]._replace(citation="")


def _tests_of_rule(name: str) -> Stages:
    """Those that name the rule, of its family and of the tables; all of its family and of the tables; all."""
    rule_id = name.partition(" ")[0]
    own = FAMILIES.get(rule_id) or FAMILIES.get(rule_id.partition("-")[0]) or ()
    asked = [*(f"{HERE}/{name}" for name in own), *TABLES]
    named = f"{rule_id} or {rule_id.lower().replace('-', '_')}"
    return ([*asked, "-k", named], asked, ENGINE_TESTS)


def _tests_of_refusal(name: str) -> Stages:
    place = name.partition(" ")[2]
    return (SPEAKERS[place], FACE_TESTS if place == "arguments" else ENGINE_TESTS)


class Kind(NamedTuple):
    """A kind of mutants: their names, how to switch one off, and the tests that should notice, in stages."""

    names: Callable[[], Iterable[str]]
    switch_off: Callable[[str], None]
    tests: Callable[[str], Stages]


KINDS: dict[str, Kind] = {
    "rule": Kind(lambda: RULE_OBJECTS, _switch_rule_off, _tests_of_rule),
    "behaviour": Kind(lambda: BEHAVIOURS, lambda name: BEHAVIOURS[name](), _tests_of_rule),
    "refusal": Kind(
        lambda: (f"{rule_id} {place}" for place, rule_ids in REFUSALS.items() for rule_id in rule_ids),
        _drop_refusal,
        _tests_of_refusal,
    ),
    "transition": Kind(
        lambda: _steps_of_orders(lambda profile: lifecycle.TRANSITIONS[lifecycle.read_profile(profile)]),
        lambda name: _drop_order_step("transitions", name),
        lambda _: STATE_TESTS,
    ),
    "correction": Kind(
        lambda: _steps_of_orders(lambda _: lifecycle.CORRECTIONS),
        lambda name: _drop_order_step("corrections", name),
        lambda _: STATE_TESTS,
    ),
    "quote transition": Kind(_steps_of_quotes, _drop_quote_step, lambda _: QUOTE_TESTS),
    "citation of rule": Kind(lambda: catalogue._CITATIONS, _uncite_rule, lambda _: WORD_TESTS),  # noqa: SLF001 - as above
    "citation of code": Kind(lambda: CODES, _uncite_code, lambda _: WORD_TESTS),
    "control": Kind(lambda: (), _nothing, lambda _: ALL_TESTS),
}


class Mutant(NamedTuple):
    """What is switched off: a kind, and the name of the one of its kind."""

    kind: str
    name: str


CONTROL = Mutant("control", "none")
"""Switches nothing off: every test must pass with it, or the dead have not died of their mutation."""


def mutants() -> Iterator[Mutant]:
    """Everything that can be switched off."""
    for kind, made in KINDS.items():
        yield from (Mutant(kind, name) for name in list(made.names()))


def _untried() -> set[str]:
    """Rules and statements of the catalogue that no mutant switches off."""
    tried = {rule.id for rule in RULE_OBJECTS.values()} | {rule_id for ids in REFUSALS.values() for rule_id in ids}
    tried |= {name.partition(" ")[0] for name in BEHAVIOURS}
    return {*catalogue.RULES, *catalogue.STATEMENTS} - tried


def outcome(mutant: Mutant) -> list[int]:
    """How pytest ended, stage by stage, until a test failed."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    kind = KINDS[mutant.kind]
    kind.switch_off(mutant.name)
    hypothesis.settings.register_profile("mutate", max_examples=40, deadline=None, database=None, derandomize=True)
    hypothesis.settings.load_profile("mutate")
    codes: list[int] = []
    for tests in kind.tests(mutant.name):
        codes.append(pytest.main(["-x", "-q", "--tb=no", "-m", "not slow", "-p", "no:cacheprovider", *tests]))
        if codes[-1] not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            break
    return codes


def _chosen(only: str, sample: int | None, seed: int | None) -> list[Mutant]:
    """The mutants to try; says the seed of a draw, so that it can be drawn again."""
    chosen = [mutant for mutant in mutants() if only in " ".join(mutant)]
    if sample is None or sample >= len(chosen):
        return chosen
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    print(f"{sample} of {len(chosen)} mutants, drawn with --seed {seed}", flush=True)
    return random.Random(seed).sample(chosen, sample)  # noqa: S311 - a draw, no secret


def main() -> int:
    """Try them all, or a sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sample", type=int, metavar="N", help="try only so many, drawn at random")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of the draw; another one each time by default")
    parser.add_argument("--only", default="", metavar="TEXT", help="try only those whose name contains this")
    options = parser.parse_args()
    if missing := _untried():
        print(f"nothing switches off {', '.join(sorted(missing))}; add it to REFUSALS or BEHAVIOURS")
        return 2
    chosen = _chosen(options.only, options.sample, options.seed)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    began = time.monotonic()
    killed = 0
    with contextlib.closing(multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1)) as pool:
        if any(codes := pool.apply(outcome, [CONTROL])):
            print(f"without any mutation pytest ended with {codes}; nothing was tried")
            return 2
        for mutant, codes in zip(chosen, pool.imap(outcome, chosen, chunksize=1), strict=True):
            if codes[-1] == pytest.ExitCode.TESTS_FAILED:
                killed += 1
            else:
                print(f"survived: {' '.join(mutant)} (pytest ended with {codes})", flush=True)
    print(f"killed {killed} / total {len(chosen)} in {time.monotonic() - began:.0f} s")
    return int(killed < len(chosen))


if __name__ == "__main__":
    raise SystemExit(main())
