"""Has every rule, every statement and every error code the section that it cites, and is the section right?"""

import re
from collections.abc import Mapping

from oms_engine.domain.catalogue import STATEMENTS, citation
from oms_engine.domain.decider.tree import PARENT_RULES, RECEIVER_RULES
from oms_engine.domain.rules.assets import EVERY_CLASS, PACKS
from oms_engine.domain.vocabulary import State
from oms_engine.errors import CODES, Problem
from oms_engine.workflows import WORKFLOWS, rules_of
from tests.docs.checks import Check, Known, differences
from tests.docs.contracts import wire_names
from tests.docs.pages import Pages, Place, codes, links

RULE_PAGES = (
    "framework/validation-rules.md",
    "framework/tree-rules.md",
    "framework/asset-class-rules.md",
    "framework/risk-rules.md",
    "framework/quote-rules.md",
)
CODE_PAGE = "framework/error-handling.md"
RESERVED = {"OMS-SYS-002", "OMS-SYS-003"}
_RESERVED_TEXT = "The code is kept for surfaces"

PARENTS = Place("concepts/order-tree.md", "2-a-parent-follows-its-children")
MEMBERS = Place(CODE_PAGE, "11-members-of-the-error-object")
LIMITS = Place("concepts/risk.md", "1-limits-and-where-they-hold")

ASKED = (
    *(rule for name in WORKFLOWS for rule in rules_of(name)),
    *EVERY_CLASS,
    *(rule for pack in PACKS.values() for rule in pack),
)
"""Every rule that a command may be asked."""


def _titles(pages: Pages, path: str, name: str) -> Mapping[str, tuple[str, str]]:
    """Id -> number and words of each section of a page whose title begins with such an id."""
    found = (
        re.fullmatch(rf"([\d.]+) ({name}): (.+)", section.title)
        for section in (pages.documents[path].sections if path in pages.documents else ())
    )
    return {title[2]: (title[1], title[3]) for title in found if title}


def _rules(pages: Pages, known: Known) -> list[str]:
    told: dict[str, tuple[str, str]] = {}
    for page in RULE_PAGES:
        told |= _titles(pages, page, r"[A-Z]+-\d+")
    return differences("rule", told.items(), known.rules.items())


def _citations(pages: Pages, known: Known) -> list[str]:
    """A refusal cites the section of its rule, so the section must stand where the catalogue says."""
    cited = {rule: citation(rule).partition("#") for rule in known.rules if rule in _IN_CODE}
    return [
        f"{rule} cites {path}#{anchor}, which does not exist"
        for rule, (path, _, anchor) in cited.items()
        if pages.section(path, anchor) is None
    ]


_IN_CODE = Known().rules


def _codes(pages: Pages, known: Known) -> list[str]:
    told = _titles(pages, CODE_PAGE, r"OMS-[A-Z]+-\d+")
    found = differences("code", told, [*known.codes, *RESERVED])
    for code, meant in known.codes.items():
        path, _, anchor = meant.citation.partition("#")
        text = pages.own_text(path, anchor)
        if code in told and told[code][1] != meant.title:
            found.append(f"{code} is called {told[code][1]}, in the code {meant.title}")
        status = re.search(r"\*\*Status:\*\* (\d+)[,;] (not )?retryable", text)
        if status is None or (int(status[1]), status[2] is None) != (meant.status, meant.retryable):
            found.append(f"{code} must say {meant.status} and whether it is retryable")
        listed = _listed(text)
        found += [f"{rule} gives {code} and is not listed there" for rule in sorted(_given(code) - listed)]
        found += [
            f"{rule} is listed at {code} and does not name it" for rule in listed if code not in _about(pages, rule)
        ]
    for code in RESERVED & set(told):
        if _RESERVED_TEXT not in " ".join(pages.own_text(CODE_PAGE, _anchor(pages, code)).split()):
            found.append(f"{code} does not say that it is reserved")
    return found


def _anchor(pages: Pages, code: str) -> str:
    sections = pages.documents[CODE_PAGE].sections
    return next(section.anchor for section in sections if f" {code}:" in section.title)


def _listed(text: str) -> set[str]:
    _, _, listed = text.partition("**Rules:**")
    return set(re.findall(r"\[([A-Z]+-\d+)\]", listed))


def _about(pages: Pages, rule: str) -> str:
    """The section of a rule; some rules are asked while reading, in queries and by tools, and stand in no workflow."""
    path, _, anchor = citation(rule).partition("#") if rule in _IN_CODE else ("", "", "")
    return pages.own_text(path, anchor)


def _given(code: str) -> set[str]:
    return {rule.id for rule in ASKED if rule.code == code}


def _rule_codes(pages: Pages, known: Known) -> list[str]:
    """The section of a rule names every code that the rule gives, and no code that does not exist."""
    found = []
    for rule in known.rules:
        named = set(re.findall(r"OMS-[A-Z]+-\d+", _about(pages, rule)))
        gives = {asked.code for asked in ASKED if asked.id == rule}
        found += [f"{rule} gives {code} and does not say so" for code in sorted(gives - named)]
        found += [f"{rule} names {code}, which does not exist" for code in sorted(named - set(CODES))]
        if not named and rule not in STATEMENTS:
            found.append(f"{rule} names no code")
    return found


def _parents(pages: Pages, known: Known) -> list[str]:
    rows = pages.table(PARENTS).rows
    decided = {row["Rule"]: row["Decided by"] for row in rows}
    becomes = {
        row["Rule"]
        for row in rows
        if row["Parent becomes"].split()[0] in State.__members__ or "REJ" in row["Parent becomes"]
    }
    by_child = {rule for rule, by in decided.items() if by == "child"}
    by_quantity = {rule for rule, by in decided.items() if by == "quantity"}
    by_command = {rule for rule, by in decided.items() if by == "command"}
    return [
        *differences(
            "rule of parents", [row["Rule"] for row in rows], [r for r in known.rules if r.startswith("PAR-")]
        ),
        *differences("rule that changes a parent", becomes - by_command, {*PARENT_RULES, *RECEIVER_RULES}),
        *(f"{rule} is decided by a child" for rule in set(PARENT_RULES) - by_child),
        *(f"{rule} is decided by a quantity" for rule in set(RECEIVER_RULES) - by_quantity),
        *(
            f"{row['Rule']} does not link to its section"
            for row in rows
            if [target.removeprefix("../") for _, target in links(row["Scenario"])] != [citation(row["Rule"])]
        ),
    ]


def _members(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(MEMBERS).rows for name in codes(row["Member"])]
    return differences("member of an error", told, wire_names(Problem))


def _limits(pages: Pages, known: Known) -> list[str]:
    rows = pages.table(LIMITS).rows
    told = [name for row in rows for name, _ in links(row["Rule"])]
    return [
        *differences("limit", told, [rule for rule in known.rules if rule.startswith("RSK-")]),
        *(
            f"{row['Setting']} is no setting of a limit"
            for row in rows
            if not row["Setting"].strip("`").startswith("risk.")
        ),
    ]


CHECKS = (
    Check("rules and statements", _rules),
    Check("citations of rules", _citations),
    Check("codes", _codes),
    Check("codes that rules give", _rule_codes),
    Check("rules of parents", _parents, (PARENTS,)),
    Check("members of an error", _members, (MEMBERS,)),
    Check("limits", _limits, (LIMITS,)),
)
