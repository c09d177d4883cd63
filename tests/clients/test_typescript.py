"""Does the compiler of TypeScript take the contracts, and real objects as what they say?"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms_engine import Engine
from oms_engine.contracts.spec import GROUPS, written

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent

CREATE = {
    "type": "OrderCreateCmd",
    "order": {
        "orderId": "O1",
        "clOrdId": "C1",
        "account": "A",
        "symbol": "ACME",
        "side": "BUY",
        "ordType": "LIMIT",
        "orderQty": "1000",
        "price": "10.5",
    },
}
FILL = {
    "type": "ExecutionCreateCmd",
    "execution": {"orderId": "O1", "execId": "E1", "lastQty": "1000", "lastPx": "10.5"},
}


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.open() as engine:
        for envelope in (CREATE, {"type": "OrderAcceptCmd", "orderId": "O1"}, FILL):
            assert engine.execute(envelope).ok
        yield engine


def compiled(folder: Path, **files: str) -> str:
    """What the strict compiler complains of in some modules."""
    compiler = HERE / "node_modules/typescript/bin/tsc"
    if not compiler.exists():
        pytest.fail(f"the compiler is not installed; run npm ci in {HERE}")
    for name, text in files.items():
        (folder / f"{name}.ts").write_text(text, encoding="utf-8")
    paths = [str(folder / f"{name}.ts") for name in files]
    done = subprocess.run(
        ["node", str(compiler), "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", *paths],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def made(kind: str, wire: object) -> str:
    return f'import type {{ {kind} }} from "./contract.js";\nexport const made: {kind} = {json.dumps(wire)};\n'


@pytest.mark.parametrize("what", GROUPS)
def test_the_compiler_takes_all_contracts_in_one_module(what: str, tmp_path: Path) -> None:
    assert compiled(tmp_path, contract=written(what, "typescript")) == ""


def test_real_objects_are_what_the_contracts_say(engine: Engine, tmp_path: Path) -> None:
    events = [event.to_wire() for event in engine.history("O1")]
    for kind, wires in {
        "OrderCreateCmd": [CREATE],
        "ExecutionCreateCmd": [FILL],
        "Order": [engine.find("O1").to_wire()],
        "Execution": [execution.to_wire() for execution in engine.executions("O1")],
        "StoredEvent": events,
        "CommandResult": [engine.execute(FILL).to_wire(), engine.execute({"type": "OrderCloseCmd"}).to_wire()],
    }.items():
        (tmp_path / kind).mkdir()
        contract = written(f"schema/{kind}", "typescript")
        uses = {f"use{number}": made(kind, wire) for number, wire in enumerate(wires)}
        assert compiled(tmp_path / kind, contract=contract, **uses) == ""


def test_the_compiler_finds_what_the_contract_forbids(tmp_path: Path) -> None:
    contract = written("schema/OrderCreateCmd", "typescript")
    order = CREATE["order"]
    assert isinstance(order, dict)
    complaints = compiled(
        tmp_path,
        contract=contract,
        number=made("OrderCreateCmd", {**CREATE, "order": {**order, "orderQty": 1000}}),
        strange=made("OrderCreateCmd", {**CREATE, "colour": "red"}),
        side=made("OrderCreateCmd", {**CREATE, "order": {**order, "side": "HOLD"}}),
        lacking=made("OrderCreateCmd", {"type": "OrderCreateCmd"}),
    )
    for name in ("number.ts", "strange.ts", "side.ts", "lacking.ts"):
        assert name in complaints
    assert "contract.ts" not in complaints


def test_the_type_of_an_event_tells_the_compiler_its_payload(tmp_path: Path) -> None:
    head = 'import type { StoredEvent } from "./contract.js";\nexport function told(event: StoredEvent): string {\n'
    good = head + '  return event.type === "OrderFilled" ? event.payload.cumQty : event.streamId;\n}\n'
    bad = head + '  return event.type === "OrderPlaced" ? event.payload.cumQty : event.streamId;\n}\n'
    complaints = compiled(tmp_path, contract=written("schema/StoredEvent", "typescript"), good=good, bad=bad)
    assert "bad.ts(3," in complaints
    assert "good.ts" not in complaints
