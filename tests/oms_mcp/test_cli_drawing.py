"""What is drawn at the command line, where is it written, and what is refused?"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oms_engine import Engine
from oms_mcp.pictures import states_of, timeline_of, tree_of, waterfall_of
from oms_mcp.pictures.mermaid import mermaid
from oms_mcp.pictures.svg import svg
from oms_mcp.printing.pictures import as_text
from tests.oms_mcp.conftest import Ask, Oms
from tests.oms_mcp.drawable import drawable
from tests.oms_mcp.test_cli import MISUSED, OK, REFUSED

pytestmark = pytest.mark.usefixtures("plain")

DB = "drawn.db"


@pytest.fixture(autouse=True)
def db(plain: None) -> None:  # noqa: ARG001 - the file lies in its folder
    with drawable(DB):
        pass


@pytest.mark.parametrize("subject", ["timeline", "tree", "waterfall", "states"])
def test_each_picture_is_drawn_in_each_form(oms: Oms, subject: str) -> None:
    gather = {"timeline": timeline_of, "tree": tree_of, "waterfall": waterfall_of}
    with Engine.open(DB) as engine:
        picture = gather[subject](engine, "O1") if subject in gather else states_of(engine)
    words = ["draw", subject, *(["O1"] if subject in gather else []), "--db", DB]
    assert oms(*words).stdout == as_text(picture, 80)
    assert oms(*words, "--as", "svg").stdout == svg(picture)
    assert oms(*words, "--as", "mermaid").stdout == mermaid(picture)


def test_the_data_of_a_picture_is_to_be_had(ask: Ask) -> None:
    told = ask("draw", "waterfall", "O1", "--db", DB)
    assert told["picture"] == "waterfall"
    assert [step["kind"] for step in told["steps"]][:3] == ["ordered", "filled", "replaced"]
    past = ask("draw", "states", "--as-of", "p3", "--db", DB)
    assert (past["asOf"], past["orders"]) == ("p3", 1)
    assert {each["state"]: each["orders"] for each in past["standing"]}["LIVE"] == 1
    own = ask("draw", "states", "O1", "--profile", "desk", "--db", DB)
    assert (own["orderId"], own["profile"]) == ("O1", "desk")


def test_an_order_is_shown_with_the_pictures_that_are_asked_for(oms: Oms, ask: Ask) -> None:
    shown = oms("show", "B", "--tree", "--timeline", "--waterfall", "--db", DB).stdout
    order = oms("show", "B", "--db", DB).stdout
    with Engine.open(DB) as engine:
        for picture in (timeline_of(engine, "B"), tree_of(engine, "B"), waterfall_of(engine, "B")):
            assert as_text(picture, 80) in shown
    assert shown.startswith(order[: order.index("\nnext")])
    wire = ask("show", "B", "--tree", "--timeline", "--waterfall", "--db", DB)
    assert [each["orderId"] for each in wire["children"]] == ["P", "A", "B", "A1"]
    assert len(wire["timeline"]["moments"]) == wire["version"]
    assert wire["waterfall"]["cumQty"] == wire["cumQty"] == "100"
    assert not {"timeline", "waterfall"} & {*ask("show", "B", "--db", DB)}


def test_a_timeline_of_a_tree_tells_of_all_its_orders(ask: Ask) -> None:
    assert ask("draw", "timeline", "A1", "--tree", "--db", DB)["orders"] == ["A1", "P", "A", "B"]
    past = ask("draw", "timeline", "B", "--as-of", "v2", "--db", DB)
    assert len(past["moments"]) == 2


def test_a_picture_is_written_to_a_file_that_is_not_there_yet(oms: Oms) -> None:
    words = ["draw", "tree", "A1", "--as", "svg", "--out", "tree.svg", "--db", DB]
    assert oms(*words).stdout == "wrote tree.svg\n"
    drawn = Path("tree.svg").read_text(encoding="ascii")
    assert drawn.startswith("<svg")
    again = oms(*words)
    assert again.exit_code == MISUSED
    assert "exists; choose another name, or replace it with --force" in " ".join(again.stderr.split())
    assert oms(*words, "--force").exit_code == OK
    assert Path("tree.svg").read_text(encoding="ascii") == drawn
    assert [path.name for path in Path().iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize("target", [DB, f"./{DB}", f"{DB}-wal"])
def test_the_database_is_never_overwritten(oms: Oms, target: str) -> None:
    before = Path(DB).read_bytes()
    done = oms("draw", "tree", "A1", "--as", "svg", "--out", target, "--force", "--db", DB)
    assert done.exit_code == MISUSED
    assert "name another file" in done.stderr
    assert Path(DB).read_bytes() == before


def test_a_folder_that_is_not_there_is_named(oms: Oms) -> None:
    done = oms("draw", "states", "--out", "nowhere/states.txt", "--db", DB)
    assert done.exit_code == MISUSED
    assert "does not exist; create it first" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (["timeline"], "needs an ORDER", MISUSED),
        (["tree", "O1", "--tree"], "--tree belongs to oms draw timeline, not to tree", MISUSED),
        (["tree", "O1", "--profile", "desk"], "--profile belongs to oms draw states", MISUSED),
        (["states", "--profile", "mine"], "profile", REFUSED),
        (["tree", "O9"], '"O9" does not exist', REFUSED),
        (["tree", "O1", "--as-of", "v99"], "has no version 99", REFUSED),
        (["states", "--json", "--as", "svg"], "leave --as and --out out", MISUSED),
        (["photo", "O1"], "timeline", MISUSED),
        (["tree", "O1", "--as", "png"], "mermaid", MISUSED),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_reason(oms: Oms, words: list[str], told: str, code: int) -> None:
    done = oms("draw", *words, "--db", DB)
    assert done.exit_code == code
    assert told in " ".join(done.output.replace("│", " ").split())


def test_a_missing_or_empty_database_is_told(oms: Oms) -> None:
    Path("empty.db").touch()
    for command in (["draw", "states"], ["top"]):
        assert "there is no database" in oms(*command, "--db", "missing.db").stderr
        assert "the file is empty" in " ".join(oms(*command, "--db", "empty.db").stderr.replace("│", " ").split())
        assert oms(*command, "--db", "missing.db").exit_code == MISUSED


def test_watching_needs_a_terminal_and_a_question_that_can_be_read(oms: Oms) -> None:
    done = oms("top", "--db", DB)
    assert done.exit_code == MISUSED
    assert "oms subscribe tells the same line by line" in " ".join(done.stderr.replace("│", " ").split())
    for words, told in (
        (["colour=red"], "no field of order"),
        (["--sort", "colour"], "no field of order"),
        (["--sort", "symbol;price"], "--sort takes one field here"),
    ):
        done = oms("top", *words, "--db", DB)
        assert done.exit_code in {REFUSED, MISUSED}
        assert told in " ".join(done.stderr.replace("│", " ").split())


def test_other_commands_start_without_what_draws_whole_screens() -> None:
    code = "import json, sys, oms_mcp.cli; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert "typer" in loaded
    assert not [name for name in loaded if name.startswith(("textual", "oms_mcp.blotter", "oms_mcp.pictures"))]
