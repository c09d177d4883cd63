"""An embedded, event-sourced order management engine: commands in, events kept, questions answered."""

from oms_engine.batch import Batch
from oms_engine.domain.commands import Command, CommandResult
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.lifecycle import TransitionCheck
from oms_engine.domain.model import Execution, Order
from oms_engine.engine import Engine
from oms_engine.errors import Disconnected, OmsError, Problem, Refused, ScenarioError, SettingsError, StoreError
from oms_engine.executor import BatchOutcome
from oms_engine.projections import Projection, ProjectionStatus, RetryResult, Tables
from oms_engine.results import Outcome
from oms_engine.settings import Settings
from oms_engine.storage.queries import Page
from oms_engine.streaming.messages import StreamMessage
from oms_engine.streaming.subscription import Subscription

__all__ = [
    "Batch",
    "BatchOutcome",
    "Command",
    "CommandResult",
    "Disconnected",
    "Engine",
    "Execution",
    "OmsError",
    "Order",
    "Outcome",
    "Page",
    "Problem",
    "Projection",
    "ProjectionStatus",
    "Refused",
    "RetryResult",
    "ScenarioError",
    "Settings",
    "SettingsError",
    "StoreError",
    "StoredEvent",
    "StreamMessage",
    "Subscription",
    "Tables",
    "TransitionCheck",
]
