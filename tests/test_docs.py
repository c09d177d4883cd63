"""Do the documents tell the truth? What they claim is run, looked up in the code, and followed."""

import re
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from typer.testing import CliRunner

from knowledge_base import PACKAGED_CORPUS, Library
from knowledge_base.documents import Corpus
from knowledge_base.results import Scenario as Block
from knowledge_base.sections import Document, Section
from oms_engine import Engine
from oms_engine.domain.catalogue import RULES, STATEMENTS, citation
from oms_engine.domain.rules.assets import PACKS
from oms_engine.domain.vocabulary import AssetClass
from oms_engine.errors import CODES
from oms_mcp.cli import app
from tests.docs import stories

TREE_PAGE = "concepts/order-tree.md"

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")

CORPUS = Corpus(PACKAGED_CORPUS)
DOCUMENTS = list(CORPUS.documents.values())
SECTIONS = [section for document in DOCUMENTS for section in document.sections]


BLOCKS = stories.blocks()


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with Library.open(semantic=False) as library:
        yield library


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.reference)
def test_every_scenario_comes_true(block: Block) -> None:
    run = stories.run_of(block.reference)
    assert run.passed, "\n".join(str(found.to_wire()) for found in run.differences)


def test_every_scenario_of_one_document_has_its_own_id() -> None:
    references = [block.reference for block in BLOCKS]
    assert len(set(references)) == len(references)


NUMBERS = (
    *(f"N{number}" for number in range(1, 32) if number != 18),
    *("N18a", "N18b", "N18c", "N18d"),
    *(f"G{number}" for number in range(1, 11)),
    *("X1", "X2"),
)
"""The worked examples, each a scenario of that id; one that is told in two ways has a second one, as N30-refused."""


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"number {number}")
def test_every_worked_number_is_a_scenario_of_its_own(number: str) -> None:
    assert [block.path for block in BLOCKS if block.id == number][1:] == []
    assert number in {block.id for block in BLOCKS}


@pytest.mark.parametrize("rule", [*RULES, *STATEMENTS])
def test_every_rule_and_every_statement_has_the_section_that_it_cites(library: Library, rule: str) -> None:
    number, words = (RULES | STATEMENTS)[rule]
    assert library.resolve(citation(rule)).title == f"{number} {rule}: {words}"


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_the_section_that_it_cites(library: Library, code: str) -> None:
    section = library.resolve(CODES[code].citation)
    assert re.fullmatch(rf"[\d.]+ {code}: {CODES[code].title}", section.title)


@pytest.mark.parametrize("row", range(19), ids=lambda row: f"PAR-{row + 1:02}")
def test_every_row_of_the_table_of_parent_states_happens_in_its_scenario(row: int, library: Library) -> None:
    rule, _, _, _, events, _, link = _table(TREE_PAGE, "2-a-parent-follows-its-children", own=True)[2 + row]
    name, target = re.fullmatch(r"\[(.+)\]\((.+)\)", link).groups()  # type: ignore[union-attr] # or the test fails
    assert target.removeprefix("../") == citation(rule)
    block = library.scenario(f"framework/tree-rules.md#{name}")
    assert block.text in library.read(citation(rule)).text
    happened = {event.type for event in stories.run_of(block.reference).events}
    assert happened >= set(events.split(", ")) - {"none"}


def test_a_pack_of_ones_own_works_as_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKS, AssetClass.GENERIC, ())
    (shown,) = (fence for fence in CORPUS.documents["concepts/asset-classes.md"].fences if fence.info == "python")
    exec(shown.text, {})  # noqa: S102 - the code of our own document is what is tested
    order = {"clOrdId": "C1", "account": "ACC1", "symbol": "BOND-2031", "side": "BUY", "ordType": "MARKET"}
    with Engine.open() as engine:
        refused = engine.execute({"type": "OrderCreateCmd", "order": {**order, "orderQty": "15"}})
        taken = engine.execute({"type": "OrderCreateCmd", "order": {**order, "orderQty": "20"}})
    assert refused.error is not None
    assert [found.rule_id for found in refused.error.violations] == ["HOUSE-01"]
    assert taken.ok


def test_the_commands_of_the_outbox_can_be_typed_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMS_SETTINGS", raising=False)
    for words, _ in _blocks_of_commands(CORPUS.documents["framework/outbox.md"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"oms {words}: {done.output}"
    assert Path("audit.jsonl").read_text(encoding="ascii").count("\n") == 1


def test_callers_share_a_commit_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (shown,) = (fence for fence in CORPUS.documents["framework/event-store.md"].fences if "submit" in fence.text)
    exec(shown.text, {})  # noqa: S102 - as above
    with Engine.open("orders.db") as engine:
        assert engine.counts()["orders"] == 50


def test_a_projection_of_ones_own_works_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    order = {"account": "ACC1", "symbol": "ACME", "side": "BUY", "ordType": "MARKET", "orderQty": "1000"}
    with Engine.open("orders.db") as engine:
        for number in range(2):
            name = f"O{number}"
            fill = {"orderId": name, "execId": "E1", "lastQty": "0.1", "lastPx": "10"}
            for envelope in (
                {"type": "OrderCreateCmd", "order": {**order, "orderId": name, "clOrdId": name}},
                {"type": "OrderAcceptCmd", "orderId": name},
                {"type": "ExecutionCreateCmd", "execution": fill},
            ):
                assert engine.execute(envelope).ok
        (shown,) = (fence for fence in CORPUS.documents["framework/projections.md"].fences if fence.info == "python")
        program: dict[str, Any] = {}
        exec(shown.text, program)  # noqa: S102 - the code of our own document is what is tested
        engine.add_projection(program["VOLUMES"])
        connection = engine._store.connection
        for _ in range(2):
            assert connection.execute("SELECT * FROM volumes").fetchall() == [("ACME", 2, "0.2")]
            assert engine.rebuild(name="volumes") == engine.counts()["events"]
    done = CliRunner().invoke(app, ["projections", "status", "--db", "orders.db"])
    assert "volumes" in done.stdout


GUIDES = (
    "guides/bring-your-own-documents.md",
    "guides/erase-personal-data.md",
    "guides/first-order.md",
    "guides/operate-and-recover.md",
    "guides/serve-over-http.md",
    "guides/watch-orders.md",
    "guides/write-a-scenario.md",
)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_can_be_typed(
    guide: str, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMS_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OMS_DB", "OMS_SETTINGS", "OMS_KB_CORPUS", "OMS_KB_ONLY"):
        monkeypatch.delenv(name, raising=False)
    Path("my-scenario.yaml").write_text(library.scenario("first-order#first-order").text)
    document = CORPUS.documents[guide]
    for fence in document.fences:
        if fence.info.startswith("markdown "):
            file = Path(fence.info.split()[1])
            file.parent.mkdir()
            file.write_text(fence.text)
    for words, stdin in (*_blocks_of_commands(document), *_rows_of_commands(document)):
        done = CliRunner().invoke(app, words, input=stdin)
        assert done.exit_code == 0, f"oms {words}: {done.output}"


def _blocks_of_commands(document: Document) -> Iterator[tuple[list[str], str]]:
    for fence in document.fences:
        if fence.info == "bash":
            command, _, stdin = fence.text.partition("\n")
            yield shlex.split(command.partition(" <<")[0])[1:], stdin.replace("END", "")


def _rows_of_commands(document: Document) -> Iterator[tuple[list[str], str]]:
    commands = [found[1] for line in document.lines if (found := re.match(r"\| `oms ([^`]+)` \|", line))]
    assert commands
    for command in commands:
        yield [*shlex.split(command), *(["--mode", "keyword"] if "search" in command else [])], ""


def _table(path: str, anchor: str, *, own: bool = False) -> list[list[str]]:
    """The rows of the tables of a section, with those of the sections in it unless only its own are asked for."""
    document, section = CORPUS.find_section(path, anchor)
    lines = document.text(section.start_line, section.own_end if own else section.end_line).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def _links() -> list[tuple[str, int, str]]:
    return [(document.path, number, target) for document in DOCUMENTS for number, target in _links_of(document)]


def _links_of(document: Document) -> Iterator[tuple[int, str]]:
    fenced = {
        number
        for fence in document.fences
        for number in range(fence.line, fence.line + len(fence.text.splitlines()) + 2)
    }
    for number, line in enumerate(document.lines, 1):
        if number not in fenced:
            yield from ((number, target) for target in _LINK.findall(_CODE.sub("", line)))


LINKS = _links()


def test_there_are_links_to_follow() -> None:
    assert len(LINKS) > 100


def test_every_link_leads_somewhere() -> None:
    broken = [f"{path}:{number} {target}" for path, number, target in LINKS if not _leads(path, target)]
    assert broken == []


def _leads(path: str, target: str) -> bool:
    if re.match(r"https?://", target):
        return True
    name, _, anchor = target.partition("#")
    document = CORPUS.documents.get(_beside(path, name) if name else path)
    return document is not None and (not anchor or anchor in document.by_anchor)


def _beside(path: str, name: str) -> str:
    parts: list[str] = []
    for part in PurePosixPath(path).parent.joinpath(name).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.path)
def test_every_document_says_what_it_is(document: Document) -> None:
    assert re.fullmatch(r"\d+\.\d+", document.version)
    assert document.status in {"draft", "stable"}
    assert document.category == document.path.split("/")[0]
    assert date.fromisoformat(document.last_updated)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.citation)
def test_every_section_is_long_enough_to_help_and_short_enough_to_read(section: Section) -> None:
    document = CORPUS.documents[section.citation.partition("#")[0]]
    following = [other.start_line for other in document.sections if other.start_line > section.start_line]
    end = min([*(line - 1 for line in following), section.end_line])
    assert 200 <= len(document.text(section.start_line, end)) <= 6000


def test_headings_are_numbered_in_order() -> None:
    for document in DOCUMENTS:
        numbers = [
            tuple(map(int, found[1].split(".")))
            for section in document.sections
            if section.level > 1 and (found := re.match(r"([\d.]+?)\.? ", section.title))
        ]
        assert numbers == sorted(numbers), document.path
        assert len(numbers) == sum(section.level > 1 for section in document.sections), document.path


def test_the_corpus_is_markdown_alone() -> None:
    strange = [path for path in Path(PACKAGED_CORPUS).rglob("*") if path.is_file() and path.suffix != ".md"]
    assert strange == []


def test_the_name_of_a_file_alone_means_one_document() -> None:
    names = [PurePosixPath(path).name for path in CORPUS.documents]
    assert sorted(set(names)) == sorted(names)
