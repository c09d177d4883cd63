"""How does the live blotter behave? A table of orders follows the store; keys filter, sort and look closely."""

import asyncio
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import suppress
from threading import Timer
from types import FrameType
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Footer, Input, Static

from oms_engine import Engine
from oms_mcp.blotter.columns import fitting, next_sort, scrolled
from oms_mcp.blotter.details import gather
from oms_mcp.blotter.feed import Feed
from oms_mcp.blotter.news import Broken, Changed, Loaded, Lost, News, Question, Wrong
from oms_mcp.blotter.rows import Rows, Sort
from oms_mcp.blotter.screens import Filter, KeysScreen, OrderScreen
from oms_mcp.blotter.status import Condition, Status, briefly, lines
from oms_mcp.blotter.table import OrderTable
from oms_mcp.printing.terminal import clean, for_people

MOST_ROWS = 500

_THIN = 2
"""The table is read anew when less than this part of it is left although more orders meet the conditions."""

_LEAVING_SECONDS = 3.0
"""How long a terminal may take what leaves it as it was."""

_BY_SIGNAL = 128
"""What the exit code of a program that a signal has ended begins with."""

_OF_TABLE = frozenset({"filter", "sort", "turn", "look", "columns", "reload"})
"""What can be done only while the table is in front."""


class Told(Message):
    """The feed has something new.

    Args:
        news: What it is.
    """

    def __init__(self, news: News) -> None:
        super().__init__()
        self.news = news


class Blotter(App[None]):
    """Orders as they are and as they change; nothing is ever written.

    Args:
        engine: The engine that is looked at.
        name: What its store is called.
        question: Which orders are shown first, and in which order.
        most: So many rows at most.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "oms top"
    CSS = """
    #status { height: 3; padding: 0 1; background: $panel; text-wrap: nowrap; }
    #filter { display: none; height: 3; }
    #filter.open { display: block; }
    #problem { display: none; height: auto; max-height: 8; padding: 0 1; background: $error-muted; }
    #problem.open { display: block; }
    OrderTable { height: 1fr; }
    #order { padding: 0 1; }
    KeysScreen { align: center middle; }
    #keys { width: 78; max-width: 100%; height: auto; max-height: 100%; border: round $primary; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash", "filter", "Filter", key_display="/", tooltip="Type conditions, enter applies them; none shows all"
        ),
        Binding("s", "sort", "Sort", tooltip="Sort by the next column; a click on a heading does so, too"),
        Binding("r", "turn", "Reverse", tooltip="Sort the other way round"),
        Binding("space", "pause", "Pause", tooltip="Stand still; again goes on with all that happened meanwhile"),
        Binding(
            "enter",
            "look",
            "Look",
            key_display="enter",
            tooltip="Look at the order: executions, timeline, next states, tree",
        ),
        Binding("question_mark,f1", "keys", "Keys", key_display="?", tooltip="Show this list"),
        Binding("q,ctrl+c", "quit", "Quit", key_display="q", tooltip="Leave the terminal as it was"),
        Binding("left", "columns(-1)", "Left", show=False, key_display="←", tooltip="Show the columns before these"),
        Binding("right", "columns(1)", "Right", show=False, key_display="→", tooltip="Show the columns behind these"),
        Binding("u", "reload", "Read anew", show=False, tooltip="Read the table anew"),
        Binding(
            "escape", "dismiss", "Back", show=False, key_display="esc", tooltip="Leave a filter, a message or an order"
        ),
    ]

    def __init__(self, engine: Engine, name: str, question: Question, most: int = MOST_ROWS) -> None:
        super().__init__()
        self._engine = engine
        self._status = Status(name, where=question.where, sort=question.sort)
        self._rows = Rows(most, question.sort)
        self._first = 1
        self._paused = False
        self.feed = Feed(engine, self._hand_over, most=most, question=question)

    def _hand_over(self, news: News) -> None:
        if not self.post_message(Told(news)):
            self.feed.taken()

    def compose(self) -> ComposeResult:
        """From top to bottom: how it is, what to look for, what is wrong with that, the orders, the keys."""
        yield Static(id="status")
        yield Filter(placeholder="symbol=ACME state=LIVE price__gt=100", id="filter")
        yield Static(id="problem")
        yield OrderTable()
        yield Footer()

    def on_mount(self) -> None:
        """Begin to read."""
        if not self.is_headless:
            self._leave_when_told()
        self._lay_out()
        self._table.focus()
        self.feed.start()

    def _leave_when_told(self) -> None:
        """A signal that ends a program ends this one as a key does: the terminal is left as it was.

        Where nobody reads the terminal any more, leaving it would wait for ever: then the process ends without.
        """
        loop = asyncio.get_running_loop()

        def leave(number: int, _frame: FrameType | None) -> None:
            with suppress(RuntimeError):  # the loop has ended, and this is about to
                loop.call_soon_threadsafe(self.exit)
            ending = Timer(_LEAVING_SECONDS, os._exit, [_BY_SIGNAL + number])
            ending.daemon = True
            ending.start()

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, leave)  # not the loop's: that may be what waits

    def on_unmount(self) -> None:
        """Read no more."""
        self.feed.stop()

    def on_order_table_resized(self) -> None:
        """Show the columns that fit now."""
        self._lay_out()

    @property
    def status(self) -> Status:
        """What the blotter says of itself."""
        return self._status

    @property
    def _table(self) -> OrderTable:
        return self.screen_stack[0].query_one(OrderTable)

    def on_told(self, told: Told) -> None:
        """Deal with what the feed tells; it tells more when this is done. A screen that is taken down shows no more."""
        try:
            if self.is_running:
                self._take(told.news)
        finally:
            self.feed.taken()

    def _take(self, news: News) -> None:
        match news:
            case Loaded():
                self._loaded(news)
            case Changed():
                self._changed(news)
            case Wrong():
                hint = f"\n{news.problem.hint}" if news.problem.hint else ""
                self._complain(f"{briefly(for_people(clean(news.problem.detail)))}{hint}")
                self._say(self._status._replace(condition=self._condition(Condition.CATCHING_UP)))
            case Lost():
                self._say(self._status._replace(condition=Condition.LOST, why=news.why))
            case Broken():
                raise news.error

    def _loaded(self, news: Loaded) -> None:
        is_same = self._status.condition is Condition.LIVE and news.question.sort == self._status.sort
        self._rows = Rows(self._rows.most, news.question.sort)
        self._rows.fill(news.orders)
        self._lay_out()
        self._table.show_chosen()
        self._say(
            self._status._replace(
                condition=self._condition(Condition.LIVE if is_same else Condition.CATCHING_UP),
                why="",
                position=news.position,
                shown=len(self._rows),
                standing=news.standing,
                where=news.question.where,
                sort=news.question.sort,
            )
        )

    def _changed(self, news: Changed) -> None:
        for change in news.changes:
            if change.order is None:
                self._rows.drop(change.order_id, change.version)
            else:
                self._rows.put(change.order)
        if news.changes:
            self._table.show_orders(self._rows.ordered())
            self._look_again({change.order_id for change in news.changes})
        self._say(
            self._status._replace(
                condition=self._condition(Condition.CATCHING_UP if news.behind else Condition.LIVE),
                why="",
                position=news.position,
                shown=len(self._rows),
                standing=self._status.standing if news.standing is None else news.standing,
            )
        )
        if news.standing is not None and len(self._rows) < min(self._rows.most, sum(news.standing.values())) // _THIN:
            self.feed.ask(Question(self._status.where, self._rows.sort))

    def _condition(self, otherwise: Condition) -> Condition:
        return Condition.PAUSED if self._paused else otherwise

    def _look_again(self, changed: set[str]) -> None:
        screen = self.screen
        if isinstance(screen, OrderScreen) and screen.concerns(changed):
            screen.read()

    def _say(self, status: Status) -> None:
        self._status = status
        told = lines(status, max(20, self.size.width - 2))
        place = self.screen_stack[0].query_one("#status", Static)
        if place.content != told:
            place.update(told)

    def _complain(self, why: str) -> None:
        """Say what is wrong with a filter; nothing where nothing is."""
        place = self.screen_stack[0].query_one("#problem", Static)
        place.set_class(bool(why), "open")
        told = ("! the filter is as it was: / corrects it, esc forgets it\n", "bold")
        place.update(Text.assemble(told, why) if why else "")

    def _lay_out(self) -> None:
        self._table.lay_out(fitting(self._table.room, self._first), self._rows.sort)
        self._table.show_orders(self._rows.ordered())
        self._say(self._status)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - as textual's
        """What is about the table is not to be had while another screen lies over it, nor letters while one types."""
        typing = isinstance(self.focused, Filter) and action in {*_OF_TABLE, "pause", "keys", "quit"}
        return not typing and (len(self.screen_stack) == 1 or action not in _OF_TABLE)

    def action_filter(self) -> None:
        """Open the line for conditions, with those that hold."""
        line = self.query_one("#filter", Input)
        line.add_class("open")
        if not line.value:
            line.value = shlex.join(self._status.where)
        line.focus()

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        """Ask for what was typed; a filter that cannot be read changes nothing."""
        try:
            where = tuple(shlex.split(submitted.value))
        except ValueError as error:
            self._complain(f"the filter cannot be read: {error}; close the quotation mark")
            return
        self._ask(where=where)
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self._table.focus()

    def action_dismiss(self) -> None:
        """Leave the line for conditions, or forget what was wrong with it."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
            return
        self._complain("")
        self.query_one("#filter", Input).value = ""
        self._close_filter()

    def _ask(self, where: tuple[str, ...] | None = None, sort: Sort | None = None) -> None:
        self._complain("")
        self._say(self._status._replace(condition=Condition.READING))
        self.feed.ask(Question(self._status.where if where is None else where, sort or self._rows.sort))

    def action_sort(self) -> None:
        """Sort by the column behind the one that is sorted by; behind the last by creation."""
        self._ask(sort=next_sort(self._rows.sort))

    def action_turn(self) -> None:
        """Sort the other way round."""
        self._ask(sort=self._rows.sort._replace(descending=not self._rows.sort.descending))

    def on_order_table_head_clicked(self, clicked: OrderTable.HeadClicked) -> None:
        """Sort by a column, and the other way round when it is sorted by already."""
        if clicked.field == self._rows.sort.field:
            self.action_turn()
        else:
            self._ask(sort=Sort(clicked.field, descending=False))

    def action_columns(self, by: int) -> None:
        """Show other columns beside the first one."""
        self._first = scrolled(self._first, by, self._table.room)
        self._lay_out()

    def action_pause(self) -> None:
        """Stand still, or go on."""
        self._paused = not self._paused
        self.feed.pause(paused=self._paused)
        self._say(self._status._replace(condition=self._condition(Condition.CATCHING_UP)))

    def action_reload(self) -> None:
        """Read what is shown anew."""
        self._ask()

    def action_look(self) -> None:
        """Look at the chosen order closely."""
        if self._table.chosen:
            self.push_screen(OrderScreen(self._table.chosen, lambda order_id: gather(self._engine, order_id)))

    def on_order_table_order_clicked(self) -> None:
        """A second click is as good as a key."""
        self.action_look()

    def action_keys(self) -> None:
        """Show what each key does."""
        self.push_screen(KeysScreen(keys()))


def keys() -> Iterator[tuple[str, str]]:
    """Every key of the table, and what it does."""
    for binding in (*Blotter.BINDINGS, *OrderTable.BINDINGS):
        assert isinstance(binding, Binding)  # noqa: S101 - ours are
        yield binding.key_display or binding.key, binding.tooltip
