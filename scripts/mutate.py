"""Does a test notice when a rule, a transition or a citation is gone? Each is switched off in a child process, alone.

A rule is one object of the tables that the commands are asked, so an id that stands for many fields is tried field by
field; a refusal is what the readers of input tell without such an object. Nothing in the packages knows of this: the
child changes their tables in memory, runs the tests that should notice and ends at the first failure. Prints each
survivor and `killed N / total M`; ends with 1 unless all are killed.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import hypothesis
import pytest

from knowledge_base import Library  # noqa: F401 - loaded once here, shared by every child
from oms_engine import engine
from oms_engine.domain import catalogue, commands, filters, lifecycle
from oms_engine.domain.vocabulary import State
from oms_engine.errors import CODES
from oms_engine.framework.validation import Rule
from oms_engine.workflows import WORKFLOWS, rules_of
from oms_mcp import arguments, server  # noqa: F401 - as above

ROOT = Path(__file__).parent.parent

TABLES = ["tests/oms_engine/test_rules.py", "tests/oms_engine/test_matrix.py"]
ENGINE_TESTS = ["tests/oms_engine"]
STATE_TESTS = (["tests/oms_engine/test_lifecycle.py"], ENGINE_TESTS)
FACE_TESTS = ["tests/oms_mcp"]
WORD_TESTS = (["tests/test_docs.py", "-k", "section_that_it_cites"],)
ALL_TESTS = (ENGINE_TESTS, FACE_TESTS, *WORD_TESTS)
"""Tests that should notice: those most likely to first, so that most children end after a second."""

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


class Mutant(NamedTuple):
    """What is switched off: a kind, and the name of the one of its kind."""

    kind: str
    name: str


def _named_rules() -> dict[str, Rule[Any]]:
    """Every rule object, under its id, code and field, and the commands that are asked it."""
    asked: dict[int, tuple[Rule[Any], list[str]]] = {}
    for command in WORKFLOWS:
        for rule in rules_of(command):
            asked.setdefault(id(rule), (rule, []))[1].append(command)
    named: dict[str, Rule[Any]] = {}
    for rule, askers in asked.values():
        of = "every command" if len(askers) == len(WORKFLOWS) else ", ".join(askers)
        name = f"{rule.id} {rule.code} {rule.field} of {of}"
        named[f"{name} ({1 + sum(other.startswith(name) for other in named)})" if name in named else name] = rule
    return named


RULE_OBJECTS = _named_rules()


def mutants() -> Iterator[Mutant]:
    """Everything that can be switched off."""
    for name in RULE_OBJECTS:
        yield Mutant("rule", name)
    for place, rule_ids in REFUSALS.items():
        for rule_id in rule_ids:
            yield Mutant("refusal", f"{rule_id} {place}")
    for rule_id in catalogue.RULES:
        yield Mutant("citation of rule", rule_id)
    for code in CODES:
        yield Mutant("citation of code", code)
    for profile, table in lifecycle.TRANSITIONS.items():
        for kind, steps in (("transition", table), ("correction", lifecycle.CORRECTIONS)):
            for start, targets in steps.items():
                for target in targets:
                    yield Mutant(kind, f"{profile} {start} {target}")


def _untried() -> set[str]:
    """Rules of the catalogue that no mutant switches off."""
    tried = {rule.id for rule in RULE_OBJECTS.values()} | {rule_id for ids in REFUSALS.values() for rule_id in ids}
    return set(catalogue.RULES) - tried


def tests_for(mutant: Mutant) -> tuple[list[str], ...]:
    """The tests that should notice, in stages."""
    rule_id, _, rest = mutant.name.partition(" ")
    match mutant.kind:
        case "rule":
            return ([*TABLES, "-k", rule_id], TABLES, ENGINE_TESTS)
        case "refusal":
            return (SPEAKERS[rest], FACE_TESTS if rest == "arguments" else ENGINE_TESTS)
        case "transition" | "correction":
            return STATE_TESTS
        case _:
            return WORD_TESTS


CONTROL = Mutant("control", "none")
"""Switches nothing off: every test must pass with it, or the dead have not died of their mutation."""


def switch_off(mutant: Mutant) -> None:
    """Change the tables of this process."""
    kind, name = mutant
    match kind:
        case "rule":
            object.__setattr__(RULE_OBJECTS[name], "applies", lambda _: False)
        case "refusal":
            _drop_refusal(*name.split())
        case "citation of rule":
            catalogue._CITATIONS[name] = ""  # noqa: SLF001 - a mutation reaches inside
        case "citation of code":
            CODES[name] = CODES[name]._replace(citation="")
        case "transition" | "correction":
            _drop_step(f"{kind}s", *name.split())
        case _:
            pass


def _drop_step(steps: str, profile: str, start: str, target: str) -> None:
    machine = lifecycle.MACHINES[lifecycle.read_profile(profile)]
    table = dict(getattr(machine.config, steps))
    table[State[start]] -= {State[target]}
    changed: dict[str, Any] = {steps: table}
    machine.config = replace(machine.config, **changed)


def _drop_refusal(rule_id: str, place: str) -> None:
    """What this place tells of a rule is told no more."""
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
        return replace(draft, envelope=envelope, payload=payload)

    engine.__dict__["parse"] = parse_all


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


def outcome(mutant: Mutant) -> list[int]:
    """How pytest ended, stage by stage, until a test failed."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    switch_off(mutant)
    hypothesis.settings.register_profile("mutate", max_examples=40, deadline=None, database=None, derandomize=True)
    hypothesis.settings.load_profile("mutate")
    codes: list[int] = []
    for tests in ALL_TESTS if mutant == CONTROL else tests_for(mutant):
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
        print(f"nothing switches off {', '.join(sorted(missing))}; add the place that tells it to REFUSALS")
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
