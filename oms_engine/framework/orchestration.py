"""In which steps is a command answered, and how did each step end? Tasks, pipelines and the one that runs them.

Tasks and pipelines hold no state of a run, so they are built once and shared between threads. What belongs to one run
lives in its context.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Self, TypeVar

_NANOS_PER_MICRO = 1_000


class TaskStatus(StrEnum):
    """How did a task end?"""

    SUCCESS = "SUCCESS"
    SKIPPED = "SKIPPED"
    WARNING = "WARNING"
    FAILED = "FAILED"
    NOT_RUN = "NOT_RUN"


class TaskResult(NamedTuple):
    """How did one task end, and what has it to say?

    A task answers with one of the constructors; the orchestrator fills in the name and the duration in microseconds.
    """

    status: TaskStatus
    task_name: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    exception: Exception | None = None
    duration_micros: int = 0

    @classmethod
    def success(cls, message: str = "") -> Self:
        """The task did its work."""
        return cls(TaskStatus.SUCCESS, message=message)

    @classmethod
    def warning(cls, message: str, *, warnings: tuple[str, ...] = ()) -> Self:
        """The task did its work and something should be told; without a list the message is the one warning."""
        return cls(TaskStatus.WARNING, message=message, warnings=warnings or (message,))

    @classmethod
    def failed(cls, message: str, *, errors: tuple[str, ...] = (), exception: Exception | None = None) -> Self:
        """The task could not do its work; without a list the message is the one error."""
        return cls(TaskStatus.FAILED, message=message, errors=errors or (message,), exception=exception)

    @classmethod
    def skipped(cls, reason: str) -> Self:
        """The task had nothing to do here."""
        return cls(TaskStatus.SKIPPED, message=reason)


_SUCCESS = TaskResult.success()


class TaskContext:
    """What do the tasks of one run share?

    A subclass adds typed attributes of its own; the attributes kept by name are for what it does not foresee. One run
    has one context; it is not shared between threads.
    """

    def __init__(self, id: str, created_at: datetime) -> None:  # noqa: A002 - the specification's name for it
        self.id = id
        self.created_at = created_at
        self._attributes: dict[str, object] = {}
        self._metadata: dict[str, object] = {}

    def put(self, key: str, value: object) -> Self:
        """Keep a value under a name; returns the context."""
        self._attributes[key] = value
        return self

    def get(self, key: str) -> object | None:
        """The value under a name, None when there is none."""
        return self._attributes.get(key)

    def get_or_default(self, key: str, default: object) -> object:
        """The value under a name, or the default when there is none; a stored None is a value."""
        return self._attributes.get(key, default)

    def contains(self, key: str) -> bool:
        """Whether anything, even None, is kept under a name."""
        return key in self._attributes

    def remove(self, key: str) -> object | None:
        """Forget a name and return what was kept there, None when there was nothing."""
        return self._attributes.pop(key, None)

    def clear(self) -> None:
        """Forget all attributes; the metadata stay."""
        self._attributes.clear()

    def put_metadata(self, key: str, value: object) -> Self:
        """Keep a value about the run itself, which `clear` does not touch; returns the context."""
        self._metadata[key] = value
        return self

    def get_metadata(self, key: str) -> object | None:
        """The metadata under a name, None when there are none."""
        return self._metadata.get(key)


C = TypeVar("C", bound=TaskContext)


class Task(ABC, Generic[C]):
    """What is one step of a pipeline?

    Subclass it and write `execute`, or make one from a function with `Task.of`. A task is shared between threads: what
    it learns belongs in the context.

    Attributes:
        name: Shown in results; the name of the class unless the class says otherwise.
        order: Where `sort_by_order` puts the task.
        skip_reason: The message when the precondition is false.
    """

    name: str
    order: int = 0
    skip_reason: str = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - handed on to the other bases as they come
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    @staticmethod
    def of(
        name: str,
        function: Callable[[C], TaskResult | None],
        *,
        order: int = 0,
        precondition: Callable[[C], bool] | None = None,
        skip_reason: str = "",
    ) -> "Task[C]":
        """A task that calls the function, where the precondition (if any) is true."""
        return _FunctionTask(name, function, order, precondition, skip_reason)

    def precondition(self, context: C) -> bool:  # noqa: ARG002 - a subclass looks at it
        """Whether the task has something to do; where it is false the task is SKIPPED."""
        return True

    @abstractmethod
    def execute(self, context: C) -> TaskResult | None:
        """Do the work; None is SUCCESS, and an exception is FAILED."""


class _FunctionTask(Task[C]):
    def __init__(
        self,
        name: str,
        function: Callable[[C], TaskResult | None],
        order: int,
        precondition: Callable[[C], bool] | None,
        skip_reason: str,
    ) -> None:
        self.name = name
        self.order = order
        self.skip_reason = skip_reason
        self._function = function
        self._precondition = precondition

    def precondition(self, context: C) -> bool:
        return self._precondition is None or self._precondition(context)

    def execute(self, context: C) -> TaskResult | None:
        return self._function(context)


@dataclass(frozen=True)  # no slots: with them TaskPipeline[Context](...) raises in Python 3.11
class TaskPipeline(Generic[C]):
    """Which tasks, in which order, and does a failure end them?

    Immutable: built once, run many times from many threads. With `stop_on_failure` the tasks after a FAILED one do not
    run and are listed as NOT_RUN.
    """

    name: str
    tasks: tuple[Task[C], ...] = ()
    stop_on_failure: bool = True

    @staticmethod
    def builder(name: str) -> "TaskPipelineBuilder[C]":
        """Start a pipeline: `TaskPipeline[MyContext].builder("create").add_task(...).build()`."""
        return TaskPipelineBuilder(name)


class TaskPipelineBuilder(Generic[C]):
    """How is a pipeline put together? Each step returns the builder; `build` gives the pipeline and may be repeated."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: list[Task[C]] = []
        self._sorted = False
        self._stop_on_failure = True

    def add_task(self, task: Task[C]) -> Self:
        """Add a task at the end."""
        self._tasks.append(task)
        return self

    def sort_by_order(self) -> Self:
        """Let `build` sort the tasks by their order; tasks of one order stay as they were added."""
        self._sorted = True
        return self

    def stop_on_failure(self, stop: bool) -> Self:
        """Whether a FAILED task ends the pipeline; it does unless told otherwise."""
        self._stop_on_failure = stop
        return self

    def build(self) -> TaskPipeline[C]:
        """The pipeline as it stands now."""
        tasks = sorted(self._tasks, key=lambda task: task.order) if self._sorted else self._tasks
        return TaskPipeline(self._name, tuple(tasks), self._stop_on_failure)


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """How did a run end? One result per task, in the order the pipeline declares them; the duration in microseconds."""

    pipeline_name: str
    task_results: tuple[TaskResult, ...]
    duration_micros: int

    @property
    def success(self) -> bool:
        """No task FAILED; warnings and skipped tasks do not count."""
        return not self.has_failures

    @property
    def has_failures(self) -> bool:
        """Some task FAILED."""
        return any(result.status is TaskStatus.FAILED for result in self.task_results)

    @property
    def has_warnings(self) -> bool:
        """Some task ended with WARNING."""
        return any(result.status is TaskStatus.WARNING for result in self.task_results)

    @property
    def counts(self) -> Mapping[TaskStatus, int]:
        """How many tasks ended in each status; every status is named."""
        found = Counter(result.status for result in self.task_results)
        return {status: found[status] for status in TaskStatus}


class TaskOrchestrator:
    """Who runs a pipeline? Never raises for what a task does: its exception becomes a FAILED result that carries it.

    Args:
        timer: A monotonic clock in nanoseconds, for the durations only.
    """

    def __init__(self, timer: Callable[[], int]) -> None:
        self._timer = timer

    def run(self, pipeline: TaskPipeline[C], context: C) -> PipelineResult:
        """Run the tasks one after the other on the context."""
        began = started = self._timer()
        results: list[TaskResult] = []
        tasks = iter(pipeline.tasks)
        for task in tasks:
            status, _, message, warnings, errors, exception, _ = _outcome(task, context)
            ended = self._timer()
            micros = (ended - started) // _NANOS_PER_MICRO
            results.append(TaskResult(status, task.name, message, warnings, errors, exception, micros))
            started = ended
            if status is TaskStatus.FAILED and pipeline.stop_on_failure:
                break
        results.extend(TaskResult(TaskStatus.NOT_RUN, task.name) for task in tasks)
        return PipelineResult(pipeline.name, tuple(results), (started - began) // _NANOS_PER_MICRO)


def _outcome(task: Task[C], context: C) -> TaskResult:
    try:
        if not task.precondition(context):
            return TaskResult.skipped(task.skip_reason or "the precondition is not met")
        result = task.execute(context)
    except Exception as error:  # noqa: BLE001 - the outer edge of every task: whatever it raises is its result
        return TaskResult.failed(str(error) or type(error).__name__, exception=error)
    if result is None:
        return _SUCCESS
    if not isinstance(result, TaskResult):
        return TaskResult.failed(f"the task returned a {type(result).__name__}; only a TaskResult or None is an answer")
    return result
