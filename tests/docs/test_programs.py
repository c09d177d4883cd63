"""Do the programs and the commands in the documents run, one after the other, as a reader would type them?"""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from oms_engine.domain.commands import CommandResult, parse
from oms_engine.domain.rules.assets import PACKS
from oms_mcp.cli import app
from tests.docs.mermaid import read
from tests.docs.pages import PACKAGED, Place, codes
from tests.docs.surface import line_commands

PAGES = PACKAGED.pages


def _with(info: str) -> set[str]:
    return {path for path in PAGES.documents if PAGES.fences(path, info)}


RUN_WITH_MORE = {
    "python": {"framework/projections.md"},
    "bash": {
        *("framework/outbox.md", "framework/projections.md", "guides/bring-your-own-documents.md"),
        "guides/erase-personal-data.md",
        *("guides/first-order.md", "guides/operate-and-recover.md", "guides/serve-over-http.md"),
        "guides/watch-orders.md",
    },
}
"""Pages whose blocks need something before them, or leave files that are looked at; `tests/test_docs.py` runs them."""
PROGRAMS = sorted(_with("python") - RUN_WITH_MORE["python"])
TYPED = sorted(_with("bash") - RUN_WITH_MORE["bash"])


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, no setting of the person who runs the tests, and packs that are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMS_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OMS_DB", "OMS_SETTINGS", "OMS_TOOLSETS"):
        monkeypatch.delenv(name, raising=False)
    for asset_class, pack in PACKS.items():
        monkeypatch.setitem(PACKS, asset_class, pack)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("page", PROGRAMS)
def test_the_programs_of_a_page_run_one_after_the_other(page: str) -> None:
    names: dict[str, Any] = {"__name__": "a_program_of_the_documents"}
    for fence in PAGES.fences(page, "python"):
        program = compile("\n" * fence.line + fence.text, page, "exec")  # so that a failure names the line of the page
        exec(program, names)  # noqa: S102 - the code of our own document is what is tested


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("page", TYPED)
def test_every_block_of_commands_can_be_typed(page: str) -> None:
    for words, stdin in _commands(page):
        done = CliRunner().invoke(app, words, input=stdin)
        assert done.exit_code == 0, f"oms {words}: {done.output}"


def _commands(page: str) -> Iterator[tuple[list[str], str]]:
    for fence in PAGES.fences(page, "bash"):
        command, _, stdin = fence.text.partition("\n")
        assert command.startswith("oms "), command
        yield shlex.split(command.partition(" <<")[0])[1:], re.sub(r"^END$", "", stdin, flags=re.MULTILINE)


@pytest.mark.usefixtures("alone")
def test_the_examples_end_with_the_exit_codes_that_they_are_for() -> None:
    rows = PAGES.table(Place("contracts/command-line.md", "21-exit-codes")).rows
    assert [row["Code"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        (command,) = codes(row["For example"])
        assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == int(row["Code"]), command


@pytest.mark.usefixtures("alone")
def test_what_the_guide_to_the_past_says_is_seen() -> None:
    page = "guides/read-the-past.md"
    seen = {
        " ".join(words[:3]): _json(words, stdin) for words, stdin in _commands(page) if words[0] in {"exec", "show"}
    }
    order = seen["show O1 --as-of"]
    assert (order["state"], order["price"], order["cumQty"]) == ("LIVE", "101", "300")
    then = _json(["query", "state=LIVE", "--as-of", "p4", "--db", "orders.db"], "")
    now = _json(["query", "state=LIVE", "--db", "orders.db"], "")
    assert [row["orderId"] for row in then["content"]] == ["O1"]
    assert now["content"] == []


def _json(words: list[str], stdin: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(CliRunner().invoke(app, [*words, "--json"], input=stdin).stdout)


ENVELOPES = ("contracts/commands.md", "concepts/executions.md")


@pytest.mark.parametrize("page", ENVELOPES)
def test_every_envelope_of_a_page_can_be_read(page: str) -> None:
    for fence in PAGES.fences(page, "json"):
        told = json.loads(fence.text)
        if "type" not in told:
            assert CommandResult.model_validate(told).ok
            continue
        draft = parse(told)
        assert (draft.envelope, draft.payload, draft.ignored) == ((), (), ()), f"{page}:{fence.line}"


@pytest.mark.parametrize("page", sorted(_with("json")))
def test_every_json_of_a_page_is_json(page: str) -> None:
    for fence in PAGES.fences(page, "json"):
        assert json.loads(fence.text), f"{page}:{fence.line}"


@pytest.mark.parametrize("page", sorted(_with("mermaid")))
def test_every_picture_can_be_read(page: str) -> None:
    for fence in PAGES.fences(page, "mermaid"):
        assert read(fence.text).arrows, f"{page}:{fence.line}"


def test_a_server_of_the_guide_can_be_started_as_it_is_typed() -> None:
    serve = line_commands()["serve"]
    for fence in PAGES.fences("guides/serve-over-http.md", "sh"):
        program, command, *words = shlex.split(fence.text)
        assert (program, command) == ("oms", "serve")
        assert serve.make_context("oms serve", words).params["http"], fence.text


def test_every_block_is_of_a_kind_that_is_run_read_or_compared() -> None:
    kinds = {fence.info.split()[0] for document in PAGES.documents.values() for fence in document.fences}
    told = {"markdown", "scenario", "python", "bash", "jsonl", "json", "mermaid", "sh", "sql", "text", "toml", "yaml"}
    assert kinds == told
    assert _with("toml") == {"guides/connect-a-client.md"}  # tests/oms_mcp/test_clients.py reads them
    assert _with("sh") == {
        "guides/connect-a-client.md",  # as above
        "guides/serve-over-http.md",  # servers, which do not come back
        "guides/watch-orders.md",  # a whole screen, which tests/oms_mcp/blotter looks at
    }
    assert _with("markdown handbook/calls.md") == {
        "guides/bring-your-own-documents.md"
    }  # the page that is searched there
    assert _with("sql") == {"framework/event-store.md"}
    assert _with("text") == {"framework/time-travel.md"}  # what is printed, with the times of one run
    assert _with("yaml") == {"guides/check-a-corpus.md"}  # questions that tests/knowledge_base/test_lint.py reads
    assert _with("jsonl") == {"contracts/tools.md", "methodology/working-with-agents.md"}
