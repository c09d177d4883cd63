"""Can the project be installed as it says? What registries, hosts of bundles and package indexes read of it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from mcp import StdioServerParameters

from oms_engine import Engine
from oms_mcp.clients import PUBLISHED
from tests.entries import serving
from tests.oms_mcp.agent import ERAS, Agent, Era

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
MANIFEST: dict[str, Any] = json.loads((ROOT / "bundle/manifest.json").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
VARIABLES = re.findall(
    r"^\| `(OMS_\w+)` \|",
    (ROOT / "knowledge_base/corpus/framework/settings.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_every_file_that_has_the_version_has_the_same_one() -> None:
    (package,) = SERVER["packages"]
    assert {SERVER["version"], package["version"], MANIFEST["version"]} == {PROJECT["version"]}


def test_the_package_is_called_everywhere_as_the_project_is() -> None:
    (package,) = SERVER["packages"]
    names = {package["identifier"], MANIFEST["name"], PUBLISHED.args[0], SERVER["name"].partition("/")[2]}
    assert names == {PROJECT["name"]}


def test_a_program_is_called_as_the_package_is_because_uvx_starts_it_by_that_name() -> None:
    assert PROJECT["scripts"] == {"oms": "oms_mcp.cli:main", "oms-mcp": "oms_mcp.cli:main"}


# --- the registry of servers


def test_the_entry_of_the_registry_has_the_form_that_is_asked_for() -> None:
    assert re.fullmatch(
        r"https://static\.modelcontextprotocol\.io/schemas/\d{4}-\d\d-\d\d/server\.schema\.json", SERVER["$schema"]
    )
    assert set(SERVER) == {"$schema", "name", "title", "description", "version", "packages"}
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert 1 <= len(SERVER["description"]) <= 100
    assert 1 <= len(SERVER["title"]) <= 100
    (package,) = SERVER["packages"]
    assert (package["registryType"], package["runtimeHint"]) == ("pypi", "uvx")
    assert package["transport"] == {"type": "stdio"}


def test_the_package_says_which_entry_of_the_registry_is_its_own() -> None:
    assert re.findall(r"mcp-name: (\S+)", README) == [SERVER["name"]]
    assert PROJECT["readme"] == "README.md"


def test_what_the_registry_starts_is_understood_by_our_command_line() -> None:
    (package,) = SERVER["packages"]
    assert {each["type"] for each in package["packageArguments"]} == {"positional"}
    args = tuple(each["value"] for each in package["packageArguments"])
    assert serving(args)["db"] == ""
    assert [package["runtimeHint"], package["identifier"], *args] == [PUBLISHED.command, *PUBLISHED.args]


def test_the_environment_that_the_registry_asks_for_is_ours() -> None:
    (package,) = SERVER["packages"]
    named = [each["name"] for each in package["environmentVariables"]]
    assert set(named) <= set(VARIABLES)
    assert all(each["description"] and not each["isRequired"] for each in package["environmentVariables"])


# --- the bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, unpacked as a host does."""
    folder = tmp_path_factory.mktemp("bundle")
    subprocess.run([ROOT / "scripts/bundle", folder / "oms.mcpb"], check=True, timeout=60, capture_output=True)
    with ZipFile(folder / "oms.mcpb") as packed:
        assert packed.testzip() is None
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_manifest_has_the_form_of_a_bundle_that_uv_runs() -> None:
    assert MANIFEST["manifest_version"] == "0.4"
    assert {"name", "version", "description", "author", "server"} <= set(MANIFEST)
    server = MANIFEST["server"]
    assert (server["type"], server["entry_point"]) == ("uv", "server.py")
    assert [server["mcp_config"]["command"], *server["mcp_config"]["args"]] == [
        "uv", "run", "--directory", "${__dirname}", server["entry_point"],
    ]  # fmt: skip
    assert MANIFEST["compatibility"]["runtimes"]["python"] == PROJECT["requires-python"]
    assert MANIFEST["license"] == PROJECT["license"]


def test_whatever_a_person_is_asked_for_goes_into_a_variable_of_ours() -> None:
    environment = MANIFEST["server"]["mcp_config"]["env"]
    assert set(environment) <= set(VARIABLES)
    asked = {f"${{user_config.{name}}}" for name in MANIFEST["user_config"]}
    assert set(environment.values()) == asked
    for value in MANIFEST["user_config"].values():
        assert {"type", "title", "description"} <= set(value)
        assert (value["required"], value["default"]) == (False, "")


def test_the_bundle_holds_what_is_needed_and_nothing_else(bundle: Path) -> None:
    top = {path.name for path in bundle.iterdir()}
    assert top == {
        "manifest.json", "server.py", "pyproject.toml", "README.md", "LICENSE",
        "oms_engine", "oms_mcp", "knowledge_base",
    }  # fmt: skip
    kept = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "oms_engine", "oms_mcp", "knowledge_base"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    assert {name for name in kept if "/" in name} == set(tracked)


def test_the_same_sources_give_the_same_bundle(tmp_path: Path) -> None:
    for name in ("a", "b"):
        subprocess.run([ROOT / "scripts/bundle", tmp_path / name], check=True, timeout=60, capture_output=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def _hosted(bundle: Path, **chosen: str) -> StdioServerParameters:
    """The server as a host starts it, but with this Python in place of `uv run`, which would fetch packages."""
    config = MANIFEST["server"]["mcp_config"]
    told = {name: chosen.get(value.split(".")[1].rstrip("}"), value) for name, value in config["env"].items()}
    *_, program = config["args"]
    paths = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": ""}
    return StdioServerParameters(command=sys.executable, args=[program], cwd=bundle, env=paths | told)


@pytest.mark.slow
@pytest.mark.parametrize("era", ERAS)
def test_an_order_is_traded_through_the_server_of_the_bundle(bundle: Path, tmp_path: Path, era: Era) -> None:
    db = tmp_path / "orders.db"
    with Agent(_hosted(bundle, database=str(db), toolsets="orders,queries"), era) as agent:
        order = agent.create()
        assert "settings" not in {tool.name for tool in agent.tools()}
        assert "search_kb" not in {tool.name for tool in agent.tools()}
    with Engine.open(str(db)) as engine:
        assert engine.find(order).state == "UNACK"


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [{}, {"database": "", "toolsets": ""}], ids=["left as they stand", "empty"])
def test_without_values_the_bundle_is_a_sandbox_with_the_usual_tools(bundle: Path, chosen: dict[str, str]) -> None:
    with Agent(_hosted(bundle, **chosen)) as agent:
        agent.create()
        assert "search_kb" in {tool.name for tool in agent.tools()}
        assert agent.ok("read_kb", path="oms://status")["text"].count("sandbox") == 1
    assert list(bundle.glob("*.db")) == []
    assert not [path for path in bundle.iterdir() if "user_config" in path.name]


@pytest.mark.slow
def test_the_server_of_the_bundle_is_made_of_its_own_sources(bundle: Path) -> None:
    program = (
        "import runpy, sys\n"
        "import oms_mcp.cli as cli\n"
        "cli.main = lambda: print(cli.__file__, sys.argv[1:])\n"
        "runpy.run_path('server.py')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=bundle, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == f"{bundle / 'oms_mcp/cli/__init__.py'} ['serve']"


# --- what is published


def test_published_files_name_no_machine_and_no_index() -> None:
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in ("server.json", "bundle/manifest.json", "bundle/server.py")
    }
    for name, text in texts.items():
        hosts = set(re.findall(r"https?://([\w.-]+)", text))
        assert hosts <= {"static.modelcontextprotocol.io"}, name
        assert not re.search(r"(?<!\w)/(?:home|work|tmp|Users)/", text), name
