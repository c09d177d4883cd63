"""Is the glossary a good one? Each word once, every link followed, and no word of the domain missing."""

import re
from collections import Counter
from enum import StrEnum

from oms_engine.domain.vocabulary import ApprovalLevel, AssetClass, CancelState, OrdType, Side, State, TimeInForce
from tests.docs.checks import Check, Known
from tests.docs.pages import Pages, links, words

PAGE = "concepts/glossary.md"
HEADER = ("Term", "Also called", "Meaning")
QUANTITIES = (
    "orderQty",
    "cumQty",
    "leavesQty",
    "avgPx",
    "lastQty",
    "lastPx",
    "placeQty",
    "allocQty",
    "pendingAllocQty",
)
DESK = (
    *("ticket", "print", "break", "block", "work-up", "fill", "bust", "whack", "DK", "done for the day", "leaves"),
    *("working", "street side", "give-up", "crossing", "IOI", "care order", "DMA", "axe", "parent", "child", "slice"),
    *("allocation", "kill switch", "fat finger"),
)
"""Words that a desk will ask with."""
EXPLAINED: tuple[type[StrEnum], ...] = (Side, OrdType, TimeInForce, AssetClass, ApprovalLevel)
"""Enumerations whose every value is named in some meaning."""
MOST_CHARACTERS = 320


def entries(pages: Pages) -> list[tuple[str, list[str], str]]:
    """Term, synonyms and meaning of each row."""
    document = pages.documents[PAGE]
    return [
        (row["Term"], words(row["Also called"]), row["Meaning"])
        for section in document.sections
        for table in pages.tables(PAGE, section.anchor)
        if table.header == HEADER
        for row in table.rows
    ]


def _words(pages: Pages, known: Known) -> list[str]:
    told = entries(pages)
    text = " ".join(f"{term} {meaning}" for term, _, meaning in told)
    explained = set(re.findall(r"\b[A-Z][A-Z_]+\b", text))
    terms = Counter(term.casefold() for term, _, _ in told)
    synonyms = Counter(word.casefold() for _, also, _ in told for word in also)
    there = {*terms, *synonyms}
    wanted = [*State, *(state.value for state in CancelState), *QUANTITIES, *DESK]
    return [
        *(f"{word} is explained {number} times" for word, number in terms.items() if number > 1),
        *(f"{word} stands for {number} terms" for word, number in synonyms.items() if number > 1),
        *(f"{word} is a synonym and a term of its own" for word in synonyms if word in terms),
        *(f"{word} is missing" for word in wanted if word.casefold() not in there),
        *(f"{name} has no word in the glossary" for name in known.commands if not _verbs(name) & there),
        *(f"{value} is not explained" for kind in EXPLAINED for value in kind if value not in explained),
    ]


def _verbs(command: str) -> set[str]:
    """The words by which a command may be looked up: its last one, or the last two together."""
    parts = [part.lower() for part in re.findall(r"[A-Z][a-z]+", command.removesuffix("Cmd"))]
    return {parts[-1], " ".join(parts[-2:])}


def _meanings(pages: Pages, _: Known) -> list[str]:
    found = []
    for term, also, meaning in entries(pages):
        targets = [target for _, target in links(meaning)]
        if not also:
            found.append(f"{term} has no other word")
        if len(targets) != 1 or not meaning.endswith(f"({targets[0]})") or "#" not in targets[0]:
            found.append(f"{term}: the meaning does not end with a link to a section")
        found += [f"{term}: {target} leads nowhere" for target in targets if not pages.leads(PAGE, target)]
        if len(meaning) > MOST_CHARACTERS:
            found.append(f"{term}: {len(meaning)} characters are no short meaning")
    return found


def _tables(pages: Pages, _: Known) -> list[str]:
    """Each section has one table of the form that the search reads."""
    headers = {
        section.title: [table.header for table in pages.tables(PAGE, section.anchor)]
        for section in pages.documents[PAGE].sections
        if section.level > 1
    }
    return [f"{title} has {found}" for title, found in headers.items() if found != [HEADER]]


CHECKS = (
    Check("words of the glossary", _words),
    Check("meanings of the glossary", _meanings),
    Check("tables of the glossary", _tables),
)
