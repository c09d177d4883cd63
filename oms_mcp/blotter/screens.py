"""What lies over the table? The line for conditions, one order closely, and the keys."""

from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Input, Static

from oms_engine import Refused, StoreError
from oms_mcp.blotter.details import Details, rendered
from oms_mcp.pictures.signs import SIGNS
from oms_mcp.printing.terminal import clean, for_people

_PATIENCE = 0.2
"""Seconds between two looks at an order that changes all the time."""

_EDGE = 4
"""Columns that border, padding and scroll bar take from a screen."""


class Filter(Input):
    """The line for conditions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Apply", key_display="enter"),
        Binding("escape", "app.dismiss", "Back", key_display="esc"),
    ]


class OrderScreen(Screen[None]):
    """One order with its executions, its timeline, what can follow, and its tree; kept up to date while it is shown.

    Args:
        order_id: The order.
        gather: Reads everything about an order; called from another thread.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,left", "app.pop_screen", "Back", key_display="esc"),
    ]

    def __init__(self, order_id: str, gather: Callable[[str], Details]) -> None:
        super().__init__()
        self.order_id = order_id
        self._gather = gather
        self._details: Details | None = None
        self._reads = self._is_stale = False

    def concerns(self, changed: set[str]) -> bool:
        """Is one of these orders told of on this screen?"""
        return self.order_id in changed or (self._details is not None and not changed.isdisjoint(self._details.family))

    def compose(self) -> ComposeResult:
        """The text with what scrolls it, and the keys."""
        with VerticalScroll(id="order"):
            yield Static("reading ...", id="details")
        yield Footer()

    def on_mount(self) -> None:
        """Read the order."""
        self.query_one("#order").focus()
        self.read()

    def read(self) -> None:
        """Read the order anew; while that is done already, once more afterwards."""
        if self._reads:
            self._is_stale = True
            return
        self._reads, self._is_stale = True, False
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        try:
            details = self._gather(self.order_id)
        except Refused as refused:
            self.app.call_from_thread(self._say, for_people(refused.problem.detail))
        except StoreError as error:
            self.app.call_from_thread(self._say, str(error))
        else:
            self.app.call_from_thread(self._show, details)
        self.app.call_from_thread(self._read_up)

    def _read_up(self) -> None:
        self._reads = False
        if self._is_stale:
            self.set_timer(_PATIENCE, self.read)

    def on_resize(self) -> None:
        """Draw it as wide as the screen is now."""
        if self._details is not None:
            self._show(self._details)

    def _show(self, details: Details) -> None:
        if not self.is_attached:
            return  # somebody left before it was read
        self._details = details
        self.query_one("#details", Static).update(rendered(details, max(40, self.size.width - _EDGE)))

    def _say(self, why: str) -> None:
        if self.is_attached:
            self.query_one("#details", Static).update(Text(clean(why)))


def _signs() -> str:
    return "  ".join(f"{sign.symbol} {state}" for state, sign in SIGNS.items())


class KeysScreen(ModalScreen[None]):
    """What each key does.

    Args:
        keys: Keys, and what they do.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter,space", "app.pop_screen", "Close", key_display="esc"),
        Binding("q,ctrl+c", "app.quit", "Quit", key_display="q"),
    ]

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = [*keys]

    def compose(self) -> ComposeResult:
        """A table over the screen below."""
        made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for key, told in self._keys:
            made.add_row(Text(key, style="bold"), told)
        with VerticalScroll(id="keys"):
            yield Static(made)
            yield Static(Text(f"\nsigns: {_signs()}", style="dim"))
            yield Static(
                Text("Conditions are those of oms query, such as symbol=ACME state=LIVE price__gt=100.", style="dim")
            )
