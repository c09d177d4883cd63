"""Do the documents tell the truth? What they claim is run, looked up in the code, and followed."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields as dataclass_fields
from datetime import date
from inspect import signature
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydantic.alias_generators import to_camel
from typer.testing import CliRunner

from knowledge_base import PACKAGED_CORPUS, Library
from knowledge_base.documents import Corpus
from knowledge_base.results import Scenario as Block
from knowledge_base.sections import Document, Section
from oms_engine import Engine, StreamMessage
from oms_engine.domain.catalogue import RULES, STATEMENTS, citation
from oms_engine.domain.commands import COMMANDS
from oms_engine.domain.decider.tree import PARENT_RULES, RECEIVER_RULES
from oms_engine.domain.events import EVENTS
from oms_engine.domain.filters import ENTITIES
from oms_engine.domain.lifecycle import CORRECTIONS, MACHINES, TRANSITIONS
from oms_engine.domain.messages import TOPICS
from oms_engine.domain.rules.assets import EVERY_CLASS, PACKS
from oms_engine.domain.vocabulary import AssetClass, State
from oms_engine.errors import CODES
from oms_engine.settings import Settings
from oms_engine.simulation.run import run_scenario
from oms_engine.simulation.scenario import parse_scenarios
from oms_engine.streaming.messages import MessageType
from oms_engine.workflows import WORKFLOWS, rules_of
from oms_mcp.cli import app

RULE_PAGES = (
    "framework/validation-rules.md",
    "framework/tree-rules.md",
    "framework/asset-class-rules.md",
    "framework/risk-rules.md",
    "framework/quote-rules.md",
)
TREE_PAGE = "concepts/order-tree.md"
CODE_PAGE = "framework/error-handling.md"
STATE_PAGE = "framework/state-machine.md"

_RESERVED = "The code is kept for surfaces"
_BUILT_IN = {"currencies", "digitalAssets"}
"""Settings whose default is a list that is too long for a table."""

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")

CORPUS = Corpus(PACKAGED_CORPUS)
DOCUMENTS = list(CORPUS.documents.values())
SECTIONS = [section for document in DOCUMENTS for section in document.sections]


def _blocks() -> list[Block]:
    with Library.open(semantic=False) as library:
        return library.scenarios()


BLOCKS = _blocks()


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with Library.open(semantic=False) as library:
        yield library


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.reference)
def test_every_scenario_comes_true(block: Block) -> None:
    (scenario,) = parse_scenarios(block.text, block.path, line=block.line + 1)
    run = run_scenario(scenario)
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


@pytest.mark.parametrize("code", CODES)
def test_the_section_of_a_code_states_its_status_and_whether_to_try_again(library: Library, code: str) -> None:
    text = library.read(CODES[code].citation).text
    status = re.search(r"\*\*Status:\*\* (\d+)[,;] (not )?retryable", text)
    assert status, text
    assert int(status[1]) == CODES[code].status
    assert (status[2] is None) == CODES[code].retryable


def test_every_section_of_a_rule_describes_a_rule_or_a_statement_that_exists() -> None:
    named = [name for page in RULE_PAGES for name in _named(page, r"([A-Z]+-\d+)")]
    assert sorted(named) == sorted(RULES | STATEMENTS)


def test_every_section_of_a_code_describes_a_code_that_exists_or_is_reserved() -> None:
    document = CORPUS.documents[CODE_PAGE]
    reserved = {
        title[1]
        for section in document.sections
        if (title := re.fullmatch(r"[\d.]+ (OMS-[A-Z]+-\d+): .+", section.title))
        and _RESERVED in _joined(document.text(section.start_line, section.end_line))
    }
    assert reserved == {"OMS-SYS-002", "OMS-SYS-003"}
    assert sorted(_named(CODE_PAGE, r"(OMS-[A-Z]+-\d+)")) == sorted(set(CODES) | reserved)


def _named(path: str, name: str) -> list[str]:
    titles = (re.fullmatch(rf"[\d.]+ {name}: .+", section.title) for section in CORPUS.documents[path].sections)
    return [title[1] for title in titles if title]


def _joined(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("rule", RULES)
def test_the_section_of_a_rule_names_a_code_that_exists(library: Library, rule: str) -> None:
    named = set(re.findall(r"OMS-[A-Z]+-\d+", library.read(citation(rule)).text))
    assert named & set(CODES)
    assert named <= set(CODES)


ASKED = (
    *(rule for name in WORKFLOWS for rule in rules_of(name)),
    *EVERY_CLASS,
    *(r for p in PACKS.values() for r in p),
)
"""Every rule that a command may be asked."""


@pytest.mark.parametrize(("rule", "code"), sorted({(rule.id, rule.code) for rule in ASKED}))
def test_the_section_of_a_rule_names_the_code_that_the_rule_gives(library: Library, rule: str, code: str) -> None:
    assert code in library.read(citation(rule)).text


@pytest.mark.parametrize("code", sorted({rule.code for rule in ASKED}))
def test_the_section_of_a_code_lists_the_rules_that_give_it(library: Library, code: str) -> None:
    _, _, listed = _joined(library.read(CODES[code].citation).text).partition("**Rules:**")
    assert {rule.id for rule in ASKED if rule.code == code} <= set(re.findall(r"\[([A-Z]+-\d+)\]", listed))


def test_the_table_of_parent_states_has_every_rule_and_says_what_decides_it() -> None:
    _, _, *rows = _table(TREE_PAGE, "2-a-parent-follows-its-children", own=True)
    decided = {rule: by for rule, _, _, _, _, by, _ in rows}
    assert list(decided) == sorted(rule for rule in RULES | STATEMENTS if rule.startswith("PAR-"))
    for rule, by in decided.items():
        assert by in {"child", "quantity", "command"}
        assert rule not in PARENT_RULES or by == "child"
        assert rule not in RECEIVER_RULES or by == "quantity"
        assert rule not in RULES or by == "command" or rule == "PAR-15"
    becomes = {rule for rule, _, _, becomes, *_ in rows if becomes.split()[0] in State.__members__ or "REJ" in becomes}
    assert becomes - {rule for rule, by in decided.items() if by == "command"} == set(PARENT_RULES) | set(
        RECEIVER_RULES
    )


@pytest.mark.parametrize("row", range(19), ids=lambda row: f"PAR-{row + 1:02}")
def test_every_row_of_the_table_of_parent_states_happens_in_its_scenario(row: int, library: Library) -> None:
    rule, _, _, _, events, _, link = _table(TREE_PAGE, "2-a-parent-follows-its-children", own=True)[2 + row]
    name, target = re.fullmatch(r"\[(.+)\]\((.+)\)", link).groups()  # type: ignore[union-attr] # or the test fails
    assert target.removeprefix("../") == citation(rule)
    block = library.scenario(f"framework/tree-rules.md#{name}")
    assert block.text in library.read(citation(rule)).text
    (scenario,) = parse_scenarios(block.text, block.path, line=block.line + 1)
    happened = {event.type for event in run_scenario(scenario).events}
    assert happened >= set(events.split(", ")) - {"none"}


@pytest.mark.parametrize(("page", "known"), [("contracts/commands.md", COMMANDS), ("contracts/events.md", EVENTS)])
def test_a_contract_lists_everything_there_is(page: str, known: Mapping[str, object]) -> None:
    overview = next(section.anchor for section in CORPUS.documents[page].sections if "Overview" in section.title)
    _, _, *rows = _table(page, overview, own=True)
    assert sorted(name for row in rows for name in row[0].split(", ")) == sorted(known)


@pytest.mark.parametrize(
    ("anchor", "entities"),
    {
        "51-fields-of-an-order": ["order"],
        "52-fields-of-an-execution": ["execution"],
        "53-fields-of-an-event": ["event"],
        "54-fields-of-an-allocation": ["allocation"],
        "55-fields-of-a-quote-request-and-of-a-quote": ["quote_request", "quote"],
    }.items(),
)
def test_the_fields_of_a_query_are_those_in_the_code(anchor: str, entities: list[str]) -> None:
    rows = _table("framework/query-language.md", anchor)
    told = [(kind, name, bool(null)) for kind, cell in rows for name, null in re.findall(r"`(\w+)`(\??)", cell)]
    known = [(f.type.value, f.name, f.nullable) for name in entities for f in ENTITIES[name].fields.values()]
    assert sorted(told) == sorted(known)


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


def test_the_program_of_the_outbox_does_what_its_last_lines_say() -> None:
    (shown,) = (fence for fence in CORPUS.documents["framework/outbox.md"].fences if fence.info == "python")
    exec(shown.text, {})  # noqa: S102 - as above


def test_the_commands_of_the_outbox_can_be_typed_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMS_SETTINGS", raising=False)
    for words, _ in _blocks_of_commands(CORPUS.documents["framework/outbox.md"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"oms {words}: {done.output}"
    assert Path("audit.jsonl").read_text(encoding="ascii").count("\n") == 1


def test_the_topics_of_the_outbox_are_those_in_the_code() -> None:
    _, _, *rows = _table("framework/outbox.md", "2-messages", own=True)
    assert [topic.strip("`") for topic, *_ in rows] == list(TOPICS)


STREAM_PAGE = "framework/streaming.md"


def test_callers_share_a_commit_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (shown,) = (fence for fence in CORPUS.documents["framework/event-store.md"].fences if fence.info == "python")
    exec(shown.text, {})  # noqa: S102 - as above
    with Engine.open("orders.db") as engine:
        assert engine.counts()["orders"] == 50


def test_the_tables_of_the_store_are_those_in_the_file() -> None:
    rows = _table("framework/event-store.md", "1-tables", own=True)
    told = {name for cell, *_ in rows for name in re.findall(r"`(\w+)`", cell)}
    with Engine.open() as engine:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        kept = {row[0] for row in engine._store.connection.execute(tables)}
    assert told == kept


def test_the_program_of_live_subscriptions_does_what_it_says() -> None:
    (shown,) = (fence for fence in CORPUS.documents[STREAM_PAGE].fences if fence.info == "python")
    exec(shown.text, {})  # noqa: S102 - as above


def test_what_is_told_of_live_subscriptions_is_what_the_code_has() -> None:
    first = {
        anchor: _first_column(STREAM_PAGE, anchor) for anchor in ("2-topics", "3-messages", "11-what-is-asked-for")
    }
    assert first["2-topics"] == list(TOPICS)
    assert first["3-messages"] == [kind.value for kind in MessageType]
    assert first["11-what-is-asked-for"] == list(signature(Engine.follow).parameters)[1:]
    fields = [name for cell in _first_column(STREAM_PAGE, "31-fields") for name in cell.replace("`", "").split(", ")]
    assert {"type", *fields} == {to_camel(field.name) for field in dataclass_fields(StreamMessage)}


@pytest.mark.parametrize(
    ("anchor", "command"), [("7-from-the-command-line", "subscribe"), ("71-every-event", "events")]
)
def test_the_options_of_following_are_those_of_the_command(anchor: str, command: str) -> None:
    (meant,) = (c for c in app.registered_commands if c.callback and (c.name or c.callback.__name__) == command)
    told = {cell.split()[0].removeprefix("--").replace("-", "_") for cell in _first_column(STREAM_PAGE, anchor)}
    assert meant.callback is not None
    has = set(signature(meant.callback).parameters) - {"db", "pairs", "as_json", "follow"}
    assert {"kind" if name == "type" else "conditions" if name == "CONDITION" else name for name in told} == has


def _first_column(path: str, anchor: str) -> list[str]:
    _, _, *rows = _table(path, anchor, own=True)
    return [cell.strip("`") for cell, *_ in rows]


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


def test_the_list_of_settings_has_every_setting_with_its_default_and_an_example() -> None:
    cells = [[cell.strip("`") for cell in row] for row in _table("framework/settings.md", "2-all-settings")]
    rows = [row for row in cells if row[0] not in {"Setting", "---"}]
    assert [name for name, *_ in rows] == list(Settings.names())
    assert {name for name, default, *_ in rows if default == "built-in"} == _BUILT_IN
    for name, default, _, example in rows:
        key, _, value = example.partition("=")
        assert key == name
        assert default == "built-in" or Settings.of({name: default}) == Settings(), name
        assert Settings.of({key: value}) != Settings(), name


GUIDES = (
    "guides/erase-personal-data.md",
    "guides/first-order.md",
    "guides/operate-and-recover.md",
    "guides/write-a-scenario.md",
)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_can_be_typed(
    guide: str, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMS_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OMS_DB", "OMS_SETTINGS"):
        monkeypatch.delenv(name, raising=False)
    Path("my-scenario.yaml").write_text(library.scenario("first-order#first-order").text)
    document = CORPUS.documents[guide]
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


def test_the_table_of_transitions_is_the_one_in_the_code() -> None:
    rows = _table(STATE_PAGE, "3-profiles")
    profiles = [cell.strip("`") for cell in rows[0][1:]]
    assert profiles == list(TRANSITIONS)
    for column, profile in enumerate(profiles, 1):
        told = {row[0]: {state for state in row[column].split(", ") if state != "none"} for row in rows[2:]}
        machine = MACHINES[profile]  # type: ignore[index] # compared with the profiles above
        assert told.pop("Initial") == machine.initial_states
        assert told.pop("Terminal") == machine.terminal_states
        assert told == {start.value: set(targets) for start, targets in TRANSITIONS[profile].items()}  # type: ignore[index] # as above


def _table(path: str, anchor: str, *, own: bool = False) -> list[list[str]]:
    """The rows of the tables of a section, with those of the sections in it unless only its own are asked for."""
    document, section = CORPUS.find_section(path, anchor)
    lines = document.text(section.start_line, section.own_end if own else section.end_line).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_the_picture_of_the_standard_lifecycle_is_the_table_in_the_code() -> None:
    (picture,) = (fence for fence in CORPUS.documents[STATE_PAGE].fences if fence.info == "mermaid")
    arrows = re.findall(r"^\s*(\S+) --> (\w+|\[\*\])(.*)$", picture.text, re.MULTILINE)
    corrections = {(start, to) for start, to, label in arrows if "correction" in label}
    steps = {(start, to) for start, to, _ in arrows} - corrections
    expected = {(start.value, to.value) for start, targets in TRANSITIONS["standard"].items() for to in targets}
    initial = {("[*]", state.value) for state in MACHINES["standard"].initial_states}
    terminal = {(state.value, "[*]") for state in MACHINES["standard"].terminal_states}
    assert steps == expected | initial | terminal
    assert corrections == {(start.value, to.value) for start, targets in CORRECTIONS.items() for to in targets}
    assert {state.value for state in State} <= {name for pair in steps for name in pair}


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


def test_the_program_that_looks_back_runs_as_it_is_shown() -> None:
    (shown,) = (fence for fence in CORPUS.documents["framework/time-travel.md"].fences if fence.info == "python")
    exec(shown.text, {})  # noqa: S102 - the code of our own document is what is tested
