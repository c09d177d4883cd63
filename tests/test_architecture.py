"""Do the floors hold? The contracts of pyproject.toml, and what no import contract can see."""

import ast
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
PURE = [
    ROOT / "oms_engine" / room
    for room in ("domain", "framework", "contracts", "workflows.py", "settings.py", "errors.py", "record.py")
]
CLOCKS = {"now", "utcnow", "today", "fromtimestamp", "time", "monotonic", "perf_counter", "uuid4", "getenv", "open"}
"""Calls that would bring time, chance or the outside into a room that gets them as arguments."""


def test_every_import_contract_is_kept(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    broken = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert broken == 0, capsys.readouterr().out


def test_the_contracts_name_every_floor() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_id = {contract["id"]: contract for contract in contracts}
    assert set(by_id) == {
        "house",
        "engine",
        "domain",
        "storage",
        "streaming",
        "simulation",
        "market",
        "fix",
        "load",
        "contracts",
        "knowledge",
        "faces",
        "pictures",
        "blotter",
        "web",
        "reports",
        "pure",
    }
    assert all(contract["exhaustive"] for name, contract in by_id.items() if name not in {"house", "pure"})


def _calls(tree: ast.AST) -> list[str]:
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in functions]


def test_the_pure_rooms_ask_no_clock() -> None:
    files = [file for room in PURE for file in ([room] if room.suffix else sorted(room.rglob("*.py")))]
    assert len(files) > 20
    for file in files:
        found = CLOCKS.intersection(_calls(ast.parse(file.read_text())))
        assert not found, f"{file.relative_to(ROOT)} calls {found}; time and chance come in as arguments"
