"""What do tasks of one block see, and what is left of what they wrote? Order is forced with events, never with time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from itertools import count
from typing import NamedTuple

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

PATIENCE_SECONDS = 30
"""How long a task waits for another; only a test that fails waits that long."""

Step = Callable[["Basket"], TaskResult | None]


class Basket(TaskContext):
    """A context with typed attributes of its own."""

    def __init__(self) -> None:
        super().__init__("run-1", datetime(2026, 1, 2, tzinfo=UTC))
        self.label = "empty"


def builder(*, stop_on_failure: bool = True) -> TaskPipelineBuilder[Basket]:
    return TaskPipeline[Basket].builder("weighing").stop_on_failure(stop_on_failure)


def steps(*functions: Step) -> list[Task[Basket]]:
    """Tasks named a, b, c and so on."""
    return [Task.of(name, function) for name, function in zip("abcdefgh", functions, strict=False)]


def run(pipeline: TaskPipeline[Basket], basket: Basket | None = None) -> PipelineResult:
    ticks = count(0, 1_000)
    return TaskOrchestrator(lambda: next(ticks)).run(pipeline, basket or Basket())


def run_block(*functions: Step, basket: Basket | None = None) -> list[TaskResult]:
    return list(run(builder().add_parallel_tasks(*steps(*functions)).build(), basket).task_results)


def statuses(results: Sequence[TaskResult]) -> list[TaskStatus]:
    return [result.status for result in results]


def await_(event: threading.Event) -> None:
    if not event.wait(PATIENCE_SECONDS):
        raise TimeoutError("the other task did not come so far")


def doing(*works: Callable[[Basket], object]) -> Step:
    def execute(basket: Basket) -> None:
        for work in works:
            work(basket)

    return execute


def put(key: str, value: object) -> Step:
    return doing(lambda basket: basket.put(key, value))


def fail(_: Basket) -> TaskResult:
    return TaskResult.failed("too heavy")


SUCCESS, SKIPPED, WARNING, FAILED, NOT_RUN = TaskStatus


def test_tasks_of_a_block_run_at_the_same_time() -> None:
    all_three = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def meet(_: Basket) -> None:
        all_three.wait()

    assert statuses(run_block(meet, meet, meet)) == [SUCCESS, SUCCESS, SUCCESS]


def test_results_stand_in_the_order_of_declaration_whatever_ended_first() -> None:
    b_ended, c_ended, ended = threading.Event(), threading.Event(), list[str]()

    def a(_: Basket) -> None:
        await_(b_ended)
        ended.append("a")

    def b(_: Basket) -> None:
        await_(c_ended)
        ended.append("b")
        b_ended.set()

    def c(_: Basket) -> None:
        ended.append("c")
        c_ended.set()

    results = run_block(a, b, c)
    assert ended == ["c", "b", "a"]
    assert [(result.task_name, result.status) for result in results] == [("a", SUCCESS), ("b", SUCCESS), ("c", SUCCESS)]


def test_a_block_is_one_element_of_its_pipeline_and_its_tasks_count_one_by_one() -> None:
    first, a, b, last = steps(*[fail] * 4)
    pipeline = builder().add_task(first).add_parallel_tasks(a, b).add_task(last).build()
    assert len(pipeline.elements) == 3
    assert pipeline.tasks == (first, a, b, last)


def test_a_block_is_sorted_by_its_own_order_and_its_tasks_are_not() -> None:
    seven, nine, one, three = (Task[Basket].of(str(order), fail, order=order) for order in (7, 9, 1, 3))
    unsorted = builder().add_task(seven).add_parallel_tasks(nine, one, order=5).add_task(three)
    assert unsorted.sort_by_order().build().tasks == (three, nine, one, seven)


def test_blocks_and_tasks_of_one_order_stay_as_they_were_added() -> None:
    a, b, c, d = steps(*[fail] * 4)
    pipeline = builder().add_task(a).add_parallel_tasks(b, c).add_task(d).sort_by_order().build()
    assert pipeline.tasks == (a, b, c, d)


def test_an_empty_block_does_nothing() -> None:
    result = run(builder().add_parallel_tasks().add_task(*steps(put("weight", 3))).build())
    assert statuses(result.task_results) == [SUCCESS]


def test_the_next_element_starts_when_all_tasks_of_the_block_have_ended() -> None:
    basket, b_ended = Basket(), threading.Event()

    def a(basket: Basket) -> None:
        await_(b_ended)
        basket.put("a", 1)

    def b(basket: Basket) -> None:
        basket.put("b", 2)
        b_ended.set()

    def add(basket: Basket) -> None:
        basket.put("sum", (basket.get("a"), basket.get("b")))

    block = steps(a, b)
    result = run(builder().add_parallel_tasks(*block).add_task(Task.of("add", add)).build(), basket)
    assert result.success
    assert basket.get("sum") == (1, 2)


def test_a_failure_in_a_block_cancels_no_other_task_of_it() -> None:
    basket, failing = Basket(), threading.Event()

    def a(_: Basket) -> TaskResult:
        failing.set()
        return TaskResult.failed("too heavy")

    def b(basket: Basket) -> None:
        await_(failing)
        basket.put("b", 2)

    assert statuses(run_block(a, b, basket=basket)) == [FAILED, SUCCESS]
    assert basket.get("b") == 2


@pytest.mark.parametrize(("stop", "after"), [(True, NOT_RUN), (False, SUCCESS)])
def test_a_failure_in_a_block_counts_after_the_block(stop: bool, after: TaskStatus) -> None:
    first, a, b, c, d, e, last = steps(*(fail if key == "c" else put(key, key) for key in "abcdefg"))
    pipeline = (
        builder(stop_on_failure=stop)
        .add_task(first)
        .add_parallel_tasks(a, b, c)
        .add_parallel_tasks(d, e)
        .add_task(last)
        .build()
    )
    result = run(pipeline)
    assert statuses(result.task_results) == [SUCCESS, SUCCESS, FAILED, SUCCESS, after, after, after]
    assert [each.task_name for each in result.task_results] == list("abcdefg")
    assert not result.success


def test_warnings_and_skipped_tasks_of_a_block_do_not_stop_the_pipeline() -> None:
    warned = Task[Basket].of("warned", lambda _: TaskResult.warning("heavy"))
    skipped = Task[Basket].of("skipped", fail, precondition=lambda _: False, skip_reason="no load")
    result = run(builder().add_parallel_tasks(warned, skipped).add_task(*steps(put("weight", 3))).build())
    assert statuses(result.task_results) == [WARNING, SKIPPED, SUCCESS]
    assert result.task_results[1].message == "no load"
    assert result.success


def test_an_exception_fails_its_task_and_no_other() -> None:
    error = LookupError("no scale")

    def a(_: Basket) -> None:
        raise error

    first, second = run_block(a, put("weight", 3))
    assert (first.status, first.message, first.exception) == (FAILED, "no scale", error)
    assert second.status is SUCCESS


def test_an_interrupt_leaves_a_block_when_all_its_tasks_have_ended() -> None:
    interrupted, ended = threading.Event(), list[str]()

    def a(_: Basket) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    def b(_: Basket) -> None:
        await_(interrupted)
        ended.append("b")

    with pytest.raises(KeyboardInterrupt):
        run_block(a, b)
    assert ended == ["b"]


def test_a_task_of_a_block_sees_nothing_of_what_the_others_write() -> None:
    written, seen = threading.Event(), list[object]()

    def a(basket: Basket) -> None:
        basket.put("weight", 4).put_metadata("tenant", "south").remove("note")
        written.set()

    def ask(basket: Basket) -> bool:
        await_(written)
        seen.extend((basket.get("weight"), basket.get_metadata("tenant"), basket.contains("note")))
        return True

    def b(basket: Basket) -> None:
        seen.append(basket.get("weight"))

    basket = Basket().put("weight", 3).put("note", "!").put_metadata("tenant", "north")
    asking = Task[Basket].of("b", b, precondition=ask)
    assert run(builder().add_parallel_tasks(*steps(a), asking).build(), basket).success
    assert seen == [3, "north", True, 3]
    assert (basket.get("weight"), basket.get_metadata("tenant"), basket.contains("note")) == (4, "south", False)


def test_a_task_of_a_block_sees_what_it_wrote_itself() -> None:
    def a(basket: Basket) -> TaskResult:
        basket.put("weight", 4).put_metadata("tenant", "south")
        basket.remove("note")
        return TaskResult.success(f"{basket.get('weight')} {basket.get_metadata('tenant')} {basket.get('note')}")

    (result,) = run_block(a, basket=Basket().put("weight", 3).put("note", "!"))
    assert result.message == "4 south None"


def test_of_two_tasks_that_write_one_key_the_later_declared_fails_even_when_it_ended_first() -> None:
    basket, b_wrote = Basket(), threading.Event()

    def a(basket: Basket) -> None:
        await_(b_wrote)
        basket.put("weight", "from a")

    def b(basket: Basket) -> None:
        basket.put("weight", "from b").put("colour", "red").put_metadata("tenant", "north")
        b_wrote.set()

    first, second = run_block(a, b, basket=basket)
    assert (first.status, second.status) == (SUCCESS, FAILED)
    message = "an earlier task of the block wrote 'weight' as well; let one task of a block write it"
    assert (second.message, second.errors) == (message, (message,))
    assert (basket.get("weight"), basket.get("colour"), basket.get_metadata("tenant")) == ("from a", None, None)


def test_a_task_may_write_what_only_a_task_with_dropped_writes_wrote() -> None:
    basket = Basket()
    both = doing(put("weight", 2), put("colour", "blue"))
    results = run_block(put("weight", 1), both, put("colour", "red"), basket=basket)
    assert statuses(results) == [SUCCESS, FAILED, SUCCESS]
    assert (basket.get("weight"), basket.get("colour")) == (1, "red")


Write = Callable[[Basket], object]
WRITES: dict[str, Write] = {
    "keeps another value": lambda basket: basket.put("weight", 4),
    "keeps the same value": lambda basket: basket.put("weight", 3),
    "removes": lambda basket: basket.remove("weight"),
    "clears": lambda basket: basket.clear(),
}


@pytest.mark.parametrize("second", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("first", WRITES.values(), ids=WRITES)
def test_keeping_removing_and_clearing_are_all_writes_of_a_key(first: Write, second: Write) -> None:
    basket, alone = Basket().put("weight", 3), Basket().put("weight", 3)
    results = run_block(doing(first), doing(second), basket=basket)
    first(alone)
    assert statuses(results) == [SUCCESS, FAILED]
    assert (basket.contains("weight"), basket.get("weight")) == (alone.contains("weight"), alone.get("weight"))


def test_removing_what_is_not_there_is_a_write_of_its_key() -> None:
    basket = Basket()
    remove = doing(lambda b: b.remove("weight"))
    assert statuses(run_block(put("weight", 3), remove, basket=basket)) == [SUCCESS, FAILED]
    assert basket.get("weight") == 3


def test_two_tasks_may_read_one_key_and_one_may_write_it() -> None:
    basket = Basket().put("weight", 3)

    def read(basket: Basket) -> TaskResult:
        return TaskResult.success(str(basket.get("weight")))

    results = run_block(read, put("weight", 4), read, basket=basket)
    assert statuses(results) == [SUCCESS, SUCCESS, SUCCESS]
    assert (results[0].message, results[2].message, basket.get("weight")) == ("3", "3", 4)


def test_metadata_have_keys_of_their_own_and_are_written_once_as_well() -> None:
    basket = Basket()
    meta = doing(lambda b: b.put_metadata("weight", "kg"))
    results = run_block(put("weight", 3), meta, meta, basket=basket)
    assert statuses(results) == [SUCCESS, SUCCESS, FAILED]
    assert results[2].message.startswith("an earlier task of the block wrote metadata 'weight' as well")
    assert (basket.get("weight"), basket.get_metadata("weight")) == (3, "kg")


def test_clearing_in_a_block_removes_what_the_task_saw_and_leaves_the_metadata() -> None:
    basket = Basket().put("weight", 3).put("note", "!").put_metadata("tenant", "north")

    def clear(basket: Basket) -> None:
        basket.put("own", 1)
        basket.clear()
        basket.put("note", "new")

    assert statuses(run_block(clear, put("colour", "red"), basket=basket)) == [SUCCESS, SUCCESS]
    assert [basket.get(key) for key in ("weight", "own", "note", "colour")] == [None, None, "new", "red"]
    assert basket.get_metadata("tenant") == "north"


def test_what_a_failed_task_wrote_is_merged_as_in_a_task_outside_of_a_block() -> None:
    basket = Basket()

    def a(basket: Basket) -> TaskResult:
        return fail(basket.put("weight", 3))

    assert statuses(run_block(a, basket=basket)) == [FAILED]
    assert basket.get("weight") == 3


def test_a_task_that_fails_and_writes_too_late_tells_both() -> None:
    error = LookupError("no scale")

    def b(basket: Basket) -> TaskResult:
        basket.put("weight", 4)
        return TaskResult.failed("no scale", exception=error)

    result = run_block(put("weight", 3), b)[1]
    assert (result.status, result.exception) == (FAILED, error)
    assert result.errors == ("no scale", result.message)


def test_typed_attributes_are_read_in_a_block_and_lost_when_they_are_set_there() -> None:
    basket = Basket()

    def a(basket: Basket) -> TaskResult:
        found, basket.label = basket.label, "full"
        return TaskResult.success(found)

    (result,) = run_block(a, basket=basket)
    assert (result.message, basket.label) == ("empty", "empty")


def test_a_task_of_a_block_has_the_context_variables_of_its_caller() -> None:
    with localcontext(prec=3):
        first, second = run_block(*[lambda _: TaskResult.success(str(Decimal(2) / 3))] * 2)
    assert (first.message, second.message) == ("0.667", "0.667")


def test_a_task_of_a_block_may_run_a_block_itself() -> None:
    basket = Basket().put("note", "!")
    inner = builder().add_parallel_tasks(*steps(put("weight", 3), doing(lambda b: b.remove("note")))).build()
    results = run_block(doing(lambda b: run(inner, b)), put("colour", "red"), basket=basket)
    assert statuses(results) == [SUCCESS, SUCCESS]
    assert [basket.get(key) for key in ("weight", "note", "colour")] == [3, None, "red"]


def test_a_pipeline_without_a_block_stays_in_the_thread_of_its_caller() -> None:
    threads = list[threading.Thread]()
    note = doing(lambda _: threads.append(threading.current_thread()))
    a, b = steps(note, note)
    run(builder().add_task(a).add_task(b).build())
    assert threads == [threading.current_thread()] * 2


def test_a_block_leaves_no_thread_behind() -> None:
    threads = list[threading.Thread]()
    note = doing(lambda _: threads.append(threading.current_thread()))
    pipeline = builder().add_parallel_tasks(*steps(note, fail, note)).build()
    for _ in range(20):
        run(pipeline)
    assert len(threads) == 40
    assert not any(thread.is_alive() for thread in threads)


def test_a_pipeline_with_a_block_is_shared_by_threads_that_each_bring_a_context() -> None:
    pipeline = builder().add_parallel_tasks(*steps(*(put(key, key) for key in "abc"))).build()
    orchestrator, baskets = TaskOrchestrator(lambda: 0), [Basket() for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda basket: orchestrator.run(pipeline, basket), baskets))
    assert all(result.success for result in results)
    assert [[basket.get(key) for key in "abc"] for basket in baskets] == [["a", "b", "c"]] * 40


def test_durations_in_a_block_overlap_and_none_is_longer_than_the_run() -> None:
    now, both = [0], threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def work(_: Basket) -> None:
        both.wait()
        now[0] = 5_000
        both.wait()

    pipeline = builder().add_parallel_tasks(*steps(work, work)).build()
    result = TaskOrchestrator(lambda: now[0]).run(pipeline, Basket())
    assert [each.duration_micros for each in result.task_results] == [5, 5]
    assert result.duration_micros == 5


@given(st.permutations(range(4)))
def test_the_first_declared_of_several_writers_wins_in_each_order_of_ending(order: list[int]) -> None:
    basket, turns = Basket(), [threading.Event() for _ in order]

    def writer(place: int) -> Step:
        def execute(basket: Basket) -> None:
            turn = order.index(place)
            if turn:
                await_(turns[turn - 1])
            basket.put("shared", place).put(str(place), place)
            turns[turn].set()

        return execute

    assert statuses(run_block(*map(writer, range(4)), basket=basket)) == [SUCCESS, FAILED, FAILED, FAILED]
    assert basket.get("shared") == 0
    assert [basket.get(str(place)) for place in range(4)] == [0, None, None, None]


class Change(NamedTuple):
    """What a task of the property does: a way of writing, with a key and a value."""

    way: str
    key: str
    value: int | None

    def on(self, basket: Basket) -> None:
        match self.way:
            case "put":
                basket.put(self.key, self.value)
            case "remove":
                basket.remove(self.key)
            case _:
                basket.put_metadata(self.key, self.value)


ANSWERS = (
    None,
    TaskResult.success("weighed"),
    TaskResult.warning("heavy"),
    TaskResult.skipped("no need"),
    TaskResult.failed("too heavy"),
    LookupError("no scale"),
)
KEYS = "pq"
changes = st.builds(
    Change, st.sampled_from(["put", "remove", "put_metadata"]), st.sampled_from(KEYS), st.none() | st.integers(0, 3)
)
plans = st.lists(st.tuples(st.lists(changes, max_size=4), st.sampled_from(ANSWERS), st.booleans()), max_size=4)


def task_of(place: int, plan: tuple[list[Change], TaskResult | LookupError | None, bool]) -> Task[Basket]:
    """A task that changes keys nobody else changes, and says what it found there."""
    asked, answer, runs = plan

    def execute(basket: Basket) -> TaskResult | None:
        for change in asked:
            change._replace(key=f"{place}{change.key}").on(basket)
        if isinstance(answer, LookupError):
            raise answer
        return answer

    return Task.of(str(place), execute, precondition=lambda basket: runs or basket.contains(f"{place}p"))


def filled(held: set[str]) -> Basket:
    basket = Basket()
    for key in held:
        basket.put(key, 9).put_metadata(key, 9)
    return basket


ALL_KEYS = [f"{place}{key}" for place in range(4) for key in KEYS]


@given(plans, st.sets(st.sampled_from(ALL_KEYS)))
def test_a_block_whose_tasks_write_different_keys_ends_as_the_tasks_one_after_the_other(
    chosen: list[tuple[list[Change], TaskResult | LookupError | None, bool]], held: set[str]
) -> None:
    tasks = [task_of(place, plan) for place, plan in enumerate(chosen)]
    serial, block = filled(held), filled(held)
    one_by_one = builder(stop_on_failure=False)
    for task in tasks:
        one_by_one.add_task(task)
    expected = run(one_by_one.build(), serial)
    found = run(builder(stop_on_failure=False).add_parallel_tasks(*tasks).build(), block)
    assert [result._replace(duration_micros=0) for result in found.task_results] == [
        result._replace(duration_micros=0) for result in expected.task_results
    ]
    for key in ALL_KEYS:
        assert (block.contains(key), block.get(key)) == (serial.contains(key), serial.get(key))
        assert block.get_metadata(key) == serial.get_metadata(key)
