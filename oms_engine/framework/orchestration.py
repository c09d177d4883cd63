"""In which steps is a command answered, and how did each step end? Tasks, pipelines and the one that runs them.

Tasks and pipelines hold no state of a run, so they are built once and shared between threads. What belongs to one run
lives in its context.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
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


@lru_cache(maxsize=4_096)
def _succeeded(task_name: str, duration_micros: int) -> TaskResult:
    """The result of a task that had nothing to say, as most have; within microseconds many are the same."""
    return TaskResult(TaskStatus.SUCCESS, task_name, duration_micros=duration_micros)


class TaskContext:
    """What do the tasks of one run share?

    A subclass adds typed attributes of its own; the attributes kept by name are for what it does not foresee. One run
    has one context; it is not shared between threads.

    Each task of a parallel block has a shallow copy of its own. What it keeps or removes by name, metadata too, reaches
    the context after the block. A typed attribute that it sets is lost with the copy, so a task in a block uses `put`;
    the values themselves are shared, so it changes none of them in place.
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


class _Overlay(dict[str, object]):
    """What is kept by name, as one task of a block sees and changes it; `merge` brings its changes to what is below."""

    def __init__(self, below: dict[str, object]) -> None:
        super().__init__(below)
        self._below = below
        self.written: dict[str, None] = {}

    def __setitem__(self, key: str, value: object) -> None:
        self.written[key] = None
        super().__setitem__(key, value)

    def pop(self, key: str, default: object = None, /) -> object:
        self.written[key] = None
        return super().pop(key, default)

    def clear(self) -> None:
        self.written |= dict.fromkeys(self)
        super().clear()

    def merge(self) -> None:
        for key in self.written:
            if key in self:
                self._below[key] = self[key]
            else:
                self._below.pop(key, None)


class _Branch(Generic[C]):
    """The context as one task of a block has it."""

    def __init__(self, context: C) -> None:
        self.context = copy(context)
        self._attributes = self.context._attributes = _Overlay(context._attributes)  # noqa: SLF001 - lies over them
        self._metadata = self.context._metadata = _Overlay(context._metadata)  # noqa: SLF001 - as above

    def written(self) -> list[str]:
        """What the task kept or removed, as a message names it."""
        return [*map(repr, self._attributes.written), *(f"metadata {key!r}" for key in self._metadata.written)]

    def merge(self) -> None:
        self._attributes.merge()
        self._metadata.merge()


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
    """A task whose methods are the functions it was made from: a run then calls them and nothing in between."""

    execute = None  # type: ignore[assignment] # each task has its function here; the class only may not stay abstract

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
        self.execute = function
        if precondition is not None:
            self.precondition = precondition  # type: ignore[method-assign,assignment] # as above


@dataclass(frozen=True)  # no slots: with them ParallelBlock[Context](...) raises in Python 3.11
class ParallelBlock(Generic[C]):
    """Which tasks run at the same time? One element of a pipeline; its order is its own, not that of its tasks.

    Every task has a thread and sees the context as it was when the block started. The block ends when all have ended,
    and none is cancelled: a failure counts after it. What they wrote is then merged in the order of declaration; a task
    that wrote what an earlier one wrote is FAILED, and nothing it wrote is kept.
    """

    tasks: tuple[Task[C], ...]
    order: int = 0


@dataclass(frozen=True)  # no slots: as above
class TaskPipeline(Generic[C]):
    """Which tasks, in which order, and does a failure end them?

    Immutable: built once, run many times from many threads. With `stop_on_failure` the elements after a FAILED task or
    after a block with one do not run, and their tasks are listed as NOT_RUN.
    """

    name: str
    elements: tuple[Task[C] | ParallelBlock[C], ...] = ()
    stop_on_failure: bool = True

    @property
    def tasks(self) -> tuple[Task[C], ...]:
        """All tasks in the order of declaration, those of a block where the block stands."""
        return tuple(task for element in self.elements for task in _tasks_of(element))

    @staticmethod
    def builder(name: str) -> "TaskPipelineBuilder[C]":
        """Start a pipeline: `TaskPipeline[MyContext].builder("create").add_task(...).build()`."""
        return TaskPipelineBuilder(name)


def _tasks_of(element: Task[C] | ParallelBlock[C]) -> tuple[Task[C], ...]:
    return element.tasks if isinstance(element, ParallelBlock) else (element,)


class TaskPipelineBuilder(Generic[C]):
    """How is a pipeline put together? Each step returns the builder; `build` gives the pipeline and may be repeated."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._elements: list[Task[C] | ParallelBlock[C]] = []
        self._sorted = False
        self._stop_on_failure = True

    def add_task(self, task: Task[C]) -> Self:
        """Add a task at the end."""
        self._elements.append(task)
        return self

    def add_parallel_tasks(self, *tasks: Task[C], order: int = 0) -> Self:
        """Add one block of tasks that run at the same time; the order is the block's, and its tasks are not sorted."""
        self._elements.append(ParallelBlock(tasks, order))
        return self

    def sort_by_order(self) -> Self:
        """Let `build` sort tasks and blocks by their order; those of one order stay as they were added."""
        self._sorted = True
        return self

    def stop_on_failure(self, stop: bool) -> Self:
        """Whether a FAILED task ends the pipeline; it does unless told otherwise."""
        self._stop_on_failure = stop
        return self

    def build(self) -> TaskPipeline[C]:
        """The pipeline as it stands now."""
        elements = sorted(self._elements, key=lambda element: element.order) if self._sorted else self._elements
        return TaskPipeline(self._name, tuple(elements), self._stop_on_failure)


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """How did a run end? One result per task, in the order the pipeline declares them; the duration in microseconds.

    The tasks of a block stand one after the other, whatever ended first; their durations overlap.
    """

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
        return TaskStatus.FAILED in [result.status for result in self.task_results]

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
        """Run the elements one after the other on the context; a block has threads of its own while it runs."""
        began = started = self._timer()
        results: list[TaskResult] = []
        elements = iter(pipeline.elements)
        for element in elements:
            if isinstance(element, ParallelBlock):
                ended = self._run_block(element, context)
                results += ended
                failed = any(result.status is TaskStatus.FAILED for result in ended)
                started = self._timer()
            else:
                result, started = self._run_task(element, context, started)
                results.append(result)
                failed = result.status is TaskStatus.FAILED
            if failed and pipeline.stop_on_failure:
                break
        results += [TaskResult(TaskStatus.NOT_RUN, task.name) for element in elements for task in _tasks_of(element)]
        return PipelineResult(pipeline.name, tuple(results), (started - began) // _NANOS_PER_MICRO)

    def _run_task(self, task: Task[C], context: C, started: int) -> tuple[TaskResult, int]:
        """The result of a task and the time of its end; both times in nanoseconds."""
        try:
            told = task.execute(context) if task.precondition(context) else _skipped(task)
        except Exception as error:  # noqa: BLE001 - the outer edge of every task: whatever it raises is its result
            told = TaskResult.failed(str(error) or type(error).__name__, exception=error)
        ended = self._timer()
        micros = (ended - started) // _NANOS_PER_MICRO
        if told is None:
            return _succeeded(task.name, micros), ended
        if not isinstance(told, TaskResult):
            told = TaskResult.failed(
                f"the task returned a {type(told).__name__}; only a TaskResult or None is an answer"
            )
        status, _, message, warnings, errors, exception, _ = told
        return TaskResult(status, task.name, message, warnings, errors, exception, micros), ended

    def _run_block(self, block: ParallelBlock[C], context: C) -> list[TaskResult]:
        branches = [_Branch(context) for _ in block.tasks]
        with ThreadPoolExecutor(len(block.tasks) or 1) as pool:  # left when the last task has ended
            running = [
                pool.submit(copy_context().run, self._run_task, task, branch.context, self._timer())
                for task, branch in zip(block.tasks, branches, strict=True)
            ]
        return _merged(branches, [task.result()[0] for task in running])


def _merged(branches: Sequence[_Branch[C]], results: Sequence[TaskResult]) -> list[TaskResult]:
    """Merge what each task of a block wrote; the result of one that came too late says so."""
    taken: set[str] = set()
    told = []
    for branch, result in zip(branches, results, strict=True):
        written = branch.written()
        if twice := [name for name in written if name in taken]:
            told.append(_too_late(result, twice))
        else:
            taken.update(written)
            branch.merge()
            told.append(result)
    return told


def _too_late(result: TaskResult, names: Sequence[str]) -> TaskResult:
    message = f"an earlier task of the block wrote {', '.join(names)} as well; let one task of a block write it"
    return result._replace(status=TaskStatus.FAILED, message=message, errors=(*result.errors, message))


def _skipped(task: Task[C]) -> TaskResult:
    return TaskResult.skipped(task.skip_reason or "the precondition is not met")
