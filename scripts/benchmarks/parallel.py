"""Does a parallel block pay? EnrichOrder and RiskCheck beside each other, against one after the other."""

from functools import partial
from typing import Any
from unittest.mock import patch

from benchmarks.figures import Figure, Scale, compared, take_turns
from oms_engine import Engine, executor
from oms_engine.domain.rules.assets import classify
from oms_engine.framework.orchestration import Task, TaskPipeline
from oms_engine.workflows import PIPELINE, OrderTaskContext

Json = dict[str, Any]
Pipeline = TaskPipeline[OrderTaskContext]

WARM_UP = 50
"""Rounds before those that count, in which caches fill."""


def parallel(scale: Scale) -> list[Figure]:
    """Create an order: EnrichOrder and RiskCheck as a parallel block, against the same two one after the other."""
    pipelines = _serial_and_block()
    with _desk() as desk, patch.object(executor, "PIPELINE", PIPELINE):
        variants = {name: partial(_preview, desk, pipeline) for name, pipeline in pipelines.items()}
        return compared(take_turns(variants, scale.rounds, WARM_UP), to="serial")


def _serial_and_block() -> dict[str, Pipeline]:
    """The pipeline of every command with EnrichOrder in it, before RiskCheck or beside it."""
    *before, risk, persist, publish = PIPELINE.tasks
    enrich = Task[OrderTaskContext].of("EnrichOrder", _enrich)
    serial, block = (TaskPipeline[OrderTaskContext].builder(name) for name in ("serial", "block"))
    for task in before:
        serial.add_task(task)
        block.add_task(task)
    serial.add_task(enrich).add_task(risk)
    block.add_parallel_tasks(enrich, risk)
    built = [builder.add_task(persist).add_task(publish).build() for builder in (serial, block)]
    return {pipeline.name: pipeline for pipeline in built}


RISK = {
    "risk.maxOrderQty": "10000",
    "risk.maxNotional": {"*": "5000000", "symbol:ACME": "2000000"},
    "risk.collarPercent": "10",
    "risk.restrictedSymbols": "EVIL,WORSE",
    "risk.maxOpenOrders": "1000",
    "risk.maxGrossNotional": {"account:ACC-1": "90000000"},
    "risk.maxCommandsPerSecond": "1000000",
}
"""Each limit is set, none is reached: every risk rule has to be asked."""

OPEN_ORDERS = 20


def _create(number: int) -> Json:
    order = {"account": "ACC-1", "symbol": "ACME", "side": "BUY", "ordType": "LIMIT", "orderQty": "100", "price": "50"}
    return {"type": "OrderCreateCmd", "order": {"clOrdId": f"BENCH-{number}", **order}}


def _desk() -> Engine:
    """An engine in memory with open orders, one of which was traded: so the reference price is known."""
    desk = Engine.open(settings=RISK)
    order_ids = [desk.execute(_create(number)).id for number in range(OPEN_ORDERS)]
    desk.execute({"type": "OrderAcceptCmd", "orderId": order_ids[0]})
    fill = {"orderId": order_ids[0], "execId": "EXEC-1", "lastQty": "10", "lastPx": "50.5"}
    traded = desk.execute({"type": "ExecutionCreateCmd", "execution": fill})
    assert traded.ok, traded  # noqa: S101 - a benchmark of refusals would measure something else
    return desk


def _preview(desk: Engine, pipeline: Pipeline) -> None:
    """Create one more order and take it back, so that each call does the same work."""
    setattr(executor, "PIPELINE", pipeline)  # noqa: B010 - the executor takes it from workflows and does not export it
    result = desk.preview(_create(OPEN_ORDERS))
    assert result.ok, result  # noqa: S101 - as above


def _enrich(context: OrderTaskContext) -> None:
    facts = context.known_facts
    order = facts.candidate
    assert order is not None  # noqa: S101 - the benchmark creates orders
    context.put("assetClass", classify(order, context.settings))
    context.put("referencePrice", facts.reference_price(order.symbol or ""))
