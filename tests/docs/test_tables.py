"""Do the tables and pictures of the documents say what the code has, in both directions?"""

import ast

import pytest

from tests.docs import glossary
from tests.docs.checks import Known
from tests.docs.explaining import EXPLAINING, TRIED
from tests.docs.pages import PACKAGED
from tests.docs.pictures import ROOT
from tests.docs.registry import ALL, MODULES


@pytest.mark.parametrize("name", ALL)
def test_what_is_told_is_what_the_code_has(name: str) -> None:
    assert ALL[name].problems(PACKAGED.pages, Known()) == []


def test_every_table_is_compared_or_tried_or_only_explains() -> None:
    pages = PACKAGED.pages
    compared = {(place.path, pages.table(place).rows[0].line) for check in ALL.values() for place in check.places}
    others = {
        (path, section.anchor)
        for path, document in pages.documents.items()
        if path != glossary.PAGE
        for section in document.sections
        for table in pages.tables(path, section.anchor)
        if (path, table.rows[0].line) not in compared
    }
    declared = {(path, anchor) for told in (TRIED, EXPLAINING) for path, anchors in told.items() for anchor in anchors}
    assert sorted(others - declared) == []
    assert sorted(declared - others) == []


@pytest.mark.parametrize("by", sorted({by for sections in TRIED.values() for by in sections.values()}))
def test_what_tries_a_table_exists(by: str) -> None:
    file, _, name = by.partition("::")
    if not name:
        assert by in ALL
        return
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_two_checks_have_one_name() -> None:
    assert len(ALL) == sum(len(module.CHECKS) for module in MODULES)
