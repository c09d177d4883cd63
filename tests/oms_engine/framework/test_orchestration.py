from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.framework.orchestration import (
    PipelineResult,
    Task,
    TaskContext,
    TaskOrchestrator,
    TaskPipeline,
    TaskPipelineBuilder,
    TaskResult,
    TaskStatus,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Basket(TaskContext):
    """A context with a typed attribute of its own."""

    def __init__(self) -> None:
        super().__init__("run-1", NOW)
        self.seen: list[str] = []


class Weigh(Task[Basket]):
    def execute(self, context: Basket) -> None:
        context.seen.append(self.name)


def task(name: str, answer: TaskResult | None = None, order: int = 0) -> Task[Basket]:
    def execute(context: Basket) -> TaskResult | None:
        context.seen.append(name)
        return answer

    return Task.of(name, execute, order=order)


def raising(name: str, error: BaseException) -> Task[Basket]:
    def execute(_: Basket) -> TaskResult | None:
        raise error

    return Task.of(name, execute)


def pipeline(*tasks: Task[Basket], stop_on_failure: bool = True) -> TaskPipeline[Basket]:
    builder: TaskPipelineBuilder[Basket] = TaskPipeline.builder("weighing")
    for each in tasks:
        builder.add_task(each)
    return builder.stop_on_failure(stop_on_failure).build()


def ticking(step_nanos: int) -> Callable[[], int]:
    ticks = count(0, step_nanos)
    return lambda: next(ticks)


def run(*tasks: Task[Basket], stop_on_failure: bool = True) -> PipelineResult:
    return TaskOrchestrator(ticking(1_000)).run(pipeline(*tasks, stop_on_failure=stop_on_failure), Basket())


def statuses(result: PipelineResult) -> list[TaskStatus]:
    return [each.status for each in result.task_results]


def test_tasks_run_in_the_order_they_were_added() -> None:
    basket = Basket()
    TaskOrchestrator(ticking(1)).run(pipeline(task("b"), task("a"), Weigh()), basket)
    assert basket.seen == ["b", "a", "Weigh"]


def test_an_empty_pipeline_succeeds() -> None:
    result = run()
    assert result.success
    assert result.task_results == ()
    assert result.pipeline_name == "weighing"


def test_a_task_that_returns_nothing_succeeded() -> None:
    assert run(task("a")).task_results == (TaskResult(TaskStatus.SUCCESS, "a", duration_micros=1),)


def test_a_result_carries_the_name_of_its_task_and_what_the_task_said() -> None:
    (result,) = run(task("a", TaskResult.success("weighed 3"))).task_results
    assert (result.task_name, result.status, result.message) == ("a", TaskStatus.SUCCESS, "weighed 3")


def test_a_warning_neither_stops_nor_fails_the_pipeline() -> None:
    result = run(task("a", TaskResult.warning("heavy")), task("b"))
    assert statuses(result) == [TaskStatus.WARNING, TaskStatus.SUCCESS]
    assert result.success
    assert result.has_warnings
    assert result.task_results[0].warnings == ("heavy",)


def test_a_task_may_give_warnings_and_errors_as_lists() -> None:
    warned, failed = TaskResult.warning("two", warnings=("x", "y")), TaskResult.failed("two", errors=("x", "y"))
    assert (warned.message, warned.warnings) == ("two", ("x", "y"))
    assert (failed.message, failed.errors) == ("two", ("x", "y"))


def test_a_failure_leaves_the_remaining_tasks_not_run() -> None:
    result = run(task("a"), task("b", TaskResult.failed("too heavy")), task("c"), task("d"))
    assert [(each.task_name, each.status) for each in result.task_results] == [
        ("a", TaskStatus.SUCCESS),
        ("b", TaskStatus.FAILED),
        ("c", TaskStatus.NOT_RUN),
        ("d", TaskStatus.NOT_RUN),
    ]
    assert not result.success
    assert result.task_results[1].errors == ("too heavy",)


def test_without_stop_on_failure_all_tasks_run_and_the_pipeline_still_fails() -> None:
    result = run(task("a", TaskResult.failed("too heavy")), task("b"), stop_on_failure=False)
    assert statuses(result) == [TaskStatus.FAILED, TaskStatus.SUCCESS]
    assert not result.success


def test_an_exception_fails_its_task_and_is_kept() -> None:
    error = LookupError("no scale")
    (result,) = run(raising("a", error)).task_results
    assert (result.status, result.message, result.errors) == (TaskStatus.FAILED, "no scale", ("no scale",))
    assert result.exception is error


def test_an_exception_without_a_message_is_told_by_its_class() -> None:
    assert run(raising("a", ZeroDivisionError())).task_results[0].message == "ZeroDivisionError"


def test_an_exception_in_a_precondition_fails_the_task() -> None:
    def ask(_: Basket) -> bool:
        raise LookupError("no scale")

    (result,) = run(Task.of("a", lambda _: None, precondition=ask)).task_results
    assert (result.status, result.message) == (TaskStatus.FAILED, "no scale")


def test_an_interrupt_is_not_a_failure_of_a_task() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(raising("a", KeyboardInterrupt()))


def test_a_task_that_answers_with_something_else_fails() -> None:
    wrong: Callable[[Basket], TaskResult | None] = lambda _: True  # type: ignore[assignment,return-value]  # noqa: E731
    (result,) = run(Task.of("a", wrong)).task_results
    assert (result.status, result.message) == (
        TaskStatus.FAILED,
        "the task returned a bool; only a TaskResult or None is an answer",
    )


def test_a_task_without_its_precondition_is_skipped_with_its_reason_and_not_executed() -> None:
    basket = Basket()
    skipping = Task[Basket].of("a", lambda b: b.seen.append("a"), precondition=lambda _: False, skip_reason="no load")
    result = TaskOrchestrator(ticking(1)).run(pipeline(skipping, task("b")), basket)
    assert statuses(result) == [TaskStatus.SKIPPED, TaskStatus.SUCCESS]
    assert result.task_results[0].message == "no load"
    assert basket.seen == ["b"]
    assert result.success


def test_a_skip_without_a_reason_still_says_something() -> None:
    (result,) = run(Task.of("a", lambda _: None, precondition=lambda _: False)).task_results
    assert result.message == "the precondition is not met"


def test_a_precondition_that_holds_lets_the_task_run() -> None:
    assert statuses(run(Task.of("a", lambda _: None, precondition=lambda b: b.id == "run-1"))) == [TaskStatus.SUCCESS]


def test_a_precondition_sees_what_earlier_tasks_left() -> None:
    result = run(task("a"), Task.of("b", lambda _: None, precondition=lambda b: "a" in b.seen))
    assert statuses(result) == [TaskStatus.SUCCESS, TaskStatus.SUCCESS]


def test_a_subclass_is_named_after_its_class_unless_it_names_itself() -> None:
    class Pack(Weigh):
        pass

    class Ship(Weigh):
        name = "Send It Off"
        order = 3

    assert (Pack().name, Pack().order) == ("Pack", 0)
    assert (Ship().name, Ship().order) == ("Send It Off", 3)


def test_a_subclass_may_have_a_precondition() -> None:
    class WeighTwice(Weigh):
        skip_reason = "nothing was weighed yet"

        def precondition(self, context: Basket) -> bool:
            return bool(context.seen)

    result = run(WeighTwice(), Weigh(), WeighTwice())
    assert statuses(result) == [TaskStatus.SKIPPED, TaskStatus.SUCCESS, TaskStatus.SUCCESS]
    assert result.task_results[0].message == "nothing was weighed yet"


def test_sorting_by_order_is_stable() -> None:
    builder = TaskPipeline[Basket].builder("sorted").sort_by_order()
    for name, order in (("late", 9), ("first", 1), ("second", 1), ("early", -1)):
        builder.add_task(task(name, order=order))
    assert [each.name for each in builder.build().tasks] == ["early", "first", "second", "late"]


def test_without_sorting_the_order_of_a_task_does_not_count() -> None:
    assert [each.name for each in pipeline(task("late", order=9), task("early", order=1)).tasks] == ["late", "early"]


def test_a_built_pipeline_does_not_follow_its_builder() -> None:
    builder = TaskPipeline[Basket].builder("growing").add_task(task("a"))
    built = builder.build()
    builder.add_task(task("b")).stop_on_failure(stop=False)
    assert [each.name for each in built.tasks] == ["a"]
    assert built.stop_on_failure
    with pytest.raises(AttributeError):
        built.tasks = ()  # type: ignore[misc]


def test_a_pipeline_can_be_written_with_its_context_type() -> None:
    assert TaskPipeline[Basket]("direct", (task("a"),)).stop_on_failure


def test_a_pipeline_is_shared_by_threads_that_each_bring_a_context() -> None:
    built, orchestrator = pipeline(task("a"), task("b"), task("c")), TaskOrchestrator(lambda: 0)
    baskets = [Basket() for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda basket: orchestrator.run(built, basket), baskets))
    assert all(result.success for result in results)
    assert [basket.seen for basket in baskets] == [["a", "b", "c"]] * 200


def test_durations_are_whole_microseconds_of_the_timer() -> None:
    orchestrator = TaskOrchestrator(ticking(2_500))
    result = orchestrator.run(pipeline(task("a"), task("b"), task("c", TaskResult.failed("x")), task("d")), Basket())
    assert [each.duration_micros for each in result.task_results] == [2, 2, 2, 0]
    assert result.duration_micros == 7


def test_a_result_cannot_be_changed() -> None:
    result = run(task("a"))
    with pytest.raises(AttributeError):
        result.task_results = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        result.task_results[0].message = ""  # type: ignore[misc]


def test_counts_name_every_status() -> None:
    result = run(
        task("a"),
        task("b", TaskResult.skipped("no need")),
        task("c", TaskResult.warning("heavy")),
        task("d", TaskResult.failed("too heavy")),
        task("e"),
    )
    assert result.counts == dict.fromkeys(TaskStatus, 1)
    assert run().counts == dict.fromkeys(TaskStatus, 0)


def test_a_context_keeps_values_by_name() -> None:
    context = TaskContext("run-1", NOW)
    assert context.put("weight", 3).put("note", None) is context
    assert (context.id, context.created_at) == ("run-1", NOW)
    assert (context.get("weight"), context.get("colour")) == (3, None)
    assert (context.get_or_default("colour", "red"), context.get_or_default("note", "red")) == ("red", None)
    assert (context.contains("note"), context.contains("colour")) == (True, False)
    assert (context.remove("weight"), context.remove("weight")) == (3, None)
    assert not context.contains("weight")


def test_clearing_a_context_keeps_its_metadata() -> None:
    context = TaskContext("run-1", NOW).put("weight", 3).put_metadata("tenant", "north")
    context.clear()
    assert not context.contains("weight")
    assert (context.get_metadata("tenant"), context.get_metadata("weight")) == ("north", None)


def test_attributes_and_metadata_do_not_mix() -> None:
    context = TaskContext("run-1", NOW).put("key", 1).put_metadata("key", 2)
    assert (context.get("key"), context.get_metadata("key")) == (1, 2)


outcomes = st.lists(
    st.sampled_from(
        [
            None,
            TaskResult.success(),
            TaskResult.warning("heavy"),
            TaskResult.failed("too heavy"),
            TaskResult.skipped("no need"),
            LookupError("no scale"),
        ]
    )
)


def tasks_of(answers: list[TaskResult | LookupError | None]) -> list[Task[Basket]]:
    return [
        raising(str(place), answer) if isinstance(answer, LookupError) else task(str(place), answer)
        for place, answer in enumerate(answers)
    ]


@given(outcomes, st.booleans())
def test_every_task_has_one_result_in_the_order_of_declaration(
    answers: list[TaskResult | LookupError | None], stop: bool
) -> None:
    result = run(*tasks_of(answers), stop_on_failure=stop)
    assert [each.task_name for each in result.task_results] == [str(place) for place in range(len(answers))]
    assert sum(result.counts.values()) == len(answers)


@given(outcomes, st.booleans())
def test_only_the_tasks_after_a_failure_that_stops_are_not_run(
    answers: list[TaskResult | LookupError | None], stop: bool
) -> None:
    found = statuses(run(*tasks_of(answers), stop_on_failure=stop))
    failures = [place for place, status in enumerate(found) if status is TaskStatus.FAILED]
    first_not_run = failures[0] + 1 if stop and failures else len(found)
    assert [status is TaskStatus.NOT_RUN for status in found] == [place >= first_not_run for place in range(len(found))]


@given(outcomes, st.booleans())
def test_a_pipeline_succeeds_exactly_when_no_task_would_fail(
    answers: list[TaskResult | LookupError | None], stop: bool
) -> None:
    result = run(*tasks_of(answers), stop_on_failure=stop)
    failing = any(
        isinstance(answer, LookupError) or (answer is not None and answer.status is TaskStatus.FAILED)
        for answer in answers
    )
    assert result.success is not failing
    assert result.has_failures is failing


@given(outcomes)
def test_a_pipeline_answers_the_same_each_time_it_runs(answers: list[TaskResult | LookupError | None]) -> None:
    built = pipeline(*tasks_of(answers))
    first, second = (TaskOrchestrator(ticking(1_000)).run(built, Basket()) for _ in range(2))
    assert first == second


@given(outcomes, st.integers(0, 5_000))
def test_the_durations_of_the_tasks_add_up_to_no_more_than_the_run(
    answers: list[TaskResult | LookupError | None], step_nanos: int
) -> None:
    result = TaskOrchestrator(ticking(step_nanos)).run(pipeline(*tasks_of(answers)), Basket())
    assert sum(each.duration_micros for each in result.task_results) <= result.duration_micros
