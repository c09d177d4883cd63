"""Does a test notice when a rule, a transition or a citation is gone? Each is switched off in a child process.

Nothing in the packages knows of this: the child changes their tables in memory, runs the tests that should notice and
ends at the first failure. Prints each survivor and `killed N / total M`; ends with 1 unless all are killed.
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
from typing import Any, NoReturn

import hypothesis
import pytest

from knowledge_base import Library  # noqa: F401 - loaded once here, shared by every child
from oms_engine import engine
from oms_engine.domain import catalogue, commands, filters, lifecycle
from oms_engine.domain.vocabulary import State
from oms_engine.errors import CODES
from oms_engine.workflows import WORKFLOWS, rules_of
from oms_mcp import arguments, server  # noqa: F401 - as above

ROOT = Path(__file__).parent.parent
ENGINE_TESTS = (["tests/oms_engine/test_rules.py"], ["tests/oms_engine"])
STATE_TESTS = (["tests/oms_engine/test_matrix.py"], ["tests/oms_engine"])
FACE_TESTS = (["tests/oms_mcp/test_orders.py"], ["tests/oms_mcp"])
WORD_TESTS = (["tests/test_docs.py", "-k", "section_that_it_cites"],)
ALL_TESTS = (ENGINE_TESTS[-1], FACE_TESTS[-1], *WORD_TESTS)
"""Tests that should notice: those most likely to first, so that most children end after a second."""

Mutant = tuple[str, str]
"""What is switched off: a kind, and the name of the one of its kind."""


def mutants() -> Iterator[Mutant]:
    """Everything that can be switched off."""
    for rule_id in catalogue.RULES:
        yield "rule", rule_id
        yield "citation of rule", rule_id
    for code in CODES:
        yield "citation of code", code
    for table, kind in ((lifecycle.TRANSITIONS["standard"], "transition"), (lifecycle.CORRECTIONS, "correction")):
        for start, targets in table.items():
            for target in targets:
                yield kind, f"{start} {target}"


def tests_for(mutant: Mutant) -> tuple[list[str], ...]:
    """The tests that should notice, in stages."""
    kind, name = mutant
    if kind.startswith("citation"):
        return WORD_TESTS
    if kind != "rule":
        return STATE_TESTS
    return FACE_TESTS if name == "CNF-01" else ENGINE_TESTS


CONTROL: Mutant = ("rule", "none")
"""Switches off a rule that nobody has: every test must pass with it, or the dead have not died of their mutation."""


def switch_off(mutant: Mutant) -> None:
    """Change the tables of this process."""
    kind, name = mutant
    match kind:
        case "rule":
            _drop_rule(name)
        case "citation of rule":
            catalogue._CITATIONS[name] = ""  # noqa: SLF001 - a mutation reaches inside
        case "citation of code":
            CODES[name] = CODES[name]._replace(citation="")
        case _:
            _drop_step(*name.split())


def _drop_step(start: str, target: str) -> None:
    machine = lifecycle.MACHINES["standard"]
    steps = "corrections" if (start, target) == ("FILLED", "LIVE") else "transitions"
    table = dict(getattr(machine.config, steps))
    table[State[start]] -= {State[target]}
    changed: dict[str, Any] = {steps: table}
    machine.config = replace(machine.config, **changed)


def _drop_rule(rule_id: str) -> None:
    """No rule of this id is evaluated, and nobody else tells a violation of it."""
    for rule in {id(rule): rule for name in WORKFLOWS for rule in rules_of(name)}.values():
        if rule.id == rule_id:
            object.__setattr__(rule, "applies", lambda _: False)
    parse = commands.parse

    def parse_all(data: Any) -> commands.Draft:  # noqa: ANN401 - an envelope
        draft = parse(data)
        envelope, payload = (
            tuple(found for found in part if found.rule_id != rule_id) for part in (draft.envelope, draft.payload)
        )
        return replace(draft, envelope=envelope, payload=payload)

    refuse = filters._QueryReader._refuse  # noqa: SLF001 - a mutation reaches inside

    def refuse_others(self: Any, told: str, field: str, message: str) -> None:  # noqa: ANN401 - the reader
        if told != rule_id:
            refuse(self, told, field, message)

    engine.__dict__["parse"] = parse_all
    setattr(filters._QueryReader, "_refuse", refuse_others)  # noqa: B010, SLF001 - as above
    for module in (engine, filters, lifecycle, arguments):
        _let_pass(module, rule_id)


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
        if codes[-1] != pytest.ExitCode.OK:
            break
    return codes


def main() -> int:
    """Try them all, or a sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sample", type=int, metavar="N", help="try only so many, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the draw")
    parser.add_argument("--only", default="", metavar="TEXT", help="try only those whose name contains this")
    options = parser.parse_args()
    chosen = [mutant for mutant in mutants() if options.only in " ".join(mutant)]
    if options.sample is not None and options.sample < len(chosen):
        chosen = random.Random(options.seed).sample(chosen, options.sample)  # noqa: S311 - a draw, no secret
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
