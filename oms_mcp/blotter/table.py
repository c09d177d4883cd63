"""How is a table of orders drawn that changes all the time? Line by line, and only the lines that changed."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from oms_engine.domain.model import Order
from oms_mcp.blotter.columns import PADDING, Column, cells_of
from oms_mcp.blotter.rows import Sort

_CHOSEN, _NOT_CHOSEN = "▸ ", "  "
"""What a line begins with: the order that the keys are about is known without colours."""

_EDGE = len(_CHOSEN)
_LEAST_ROOM = 20


class OrderTable(ScrollView, can_focus=True):
    """The orders with a heading that stays; the chosen one stays chosen and in sight wherever it moves.

    On the first line the choice stays there, whichever order comes first: so it is until somebody chooses another.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--head", "table--chosen", "table--even"}
    DEFAULT_CSS = """
    OrderTable { background: $surface; overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; }
    OrderTable .table--head { background: $panel; color: $foreground; text-style: bold; }
    OrderTable .table--even { background: $surface-lighten-1 50%; }
    OrderTable .table--chosen { background: $primary-muted; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, key_display="↑", tooltip="Choose the order above"),
        Binding("down,j", "move(1)", "Down", show=False, key_display="↓", tooltip="Choose the order below"),
        Binding("pageup", "page(-1)", "Page up", show=False, key_display="pgup", tooltip="Go a page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, key_display="pgdn", tooltip="Go a page down"),
        Binding("home,g", "move(-100000)", "First", show=False, key_display="home", tooltip="Go to the first order"),
        Binding("end,G", "move(100000)", "Last", show=False, key_display="end", tooltip="Go to the last order"),
    ]

    class HeadClicked(Message):
        """A heading was clicked.

        Args:
            field: The field of its column.
        """

        def __init__(self, field: str) -> None:
            super().__init__()
            self.field = field

    class OrderClicked(Message):
        """The chosen order was clicked again."""

    class Resized(Message):
        """There is more or less room."""

    def __init__(self) -> None:
        super().__init__()
        self._orders: list[Order] = []
        self._columns: list[Column] = []
        self._sort = Sort()
        self._chosen = 0
        self._chosen_id = ""

    @property
    def room(self) -> int:
        """Columns of the terminal that the columns may take."""
        return max(_LEAST_ROOM, self._area.width - _EDGE)

    @property
    def _area(self) -> Size:
        """What the lines have, beside the scroll bar."""
        return self.scrollable_content_region.size

    @property
    def chosen(self) -> str:
        """The orderId that the keys are about; empty where the table is."""
        return self._chosen_id

    def on_resize(self) -> None:
        """Other columns may fit now, and the chosen order stays in sight."""
        self.post_message(self.Resized())
        if self._orders:
            self._choose(self._chosen)

    def lay_out(self, columns: list[Column], sort: Sort) -> None:
        """Have other columns, or another order."""
        self._columns, self._sort = columns, sort
        self.refresh()

    def show_orders(self, orders: list[Order]) -> None:
        """Show these; only lines that look other than before are drawn."""
        before, top, was_in_sight = self._visible(), self.scroll_offset.y, self._is_in_sight
        self._orders = orders
        self._find_chosen()
        if self.virtual_size.height != len(orders) + 1:
            self.virtual_size = Size(self._area.width, len(orders) + 1)
        if was_in_sight:
            self.show_chosen()
        after = self._visible()
        if len(before) != len(after) or top != self.scroll_offset.y:
            self.refresh()
            return
        for line, (old, new) in enumerate(zip(before, after, strict=True), 1):
            if old != new:
                self.refresh(Region(0, line, self._area.width, 1))

    def _visible(self) -> Sequence[tuple[str, int, bool]]:
        """What the lines below the heading show: the order, its version, and whether it is chosen."""
        top = self.scroll_offset.y
        shown = self._orders[top : top + max(0, self._area.height - 1)]
        return [(order.order_id, order.version, order.order_id == self._chosen_id) for order in shown]

    def _find_chosen(self) -> None:
        """The chosen order where it is now; where it is gone, the one that took its place."""
        if self._chosen == 0:
            self._chosen_id = self._orders[0].order_id if self._orders else ""
            return
        for number, order in enumerate(self._orders):
            if order.order_id == self._chosen_id:
                self._chosen = number
                return
        self._chosen = max(0, min(self._chosen, len(self._orders) - 1))
        self._chosen_id = self._orders[self._chosen].order_id if self._orders else ""

    def render_line(self, y: int) -> Strip:
        """The heading, or the order on a line of the screen."""
        number = self.scroll_offset.y + y - 1
        if y == 0:
            heads = [self._head(column) for column in self._columns]
            return self._strip(_NOT_CHOSEN, heads, self.get_component_rich_style("table--head"))
        if number >= len(self._orders):
            return Strip.blank(self._area.width, self.rich_style)
        order = self._orders[number]
        chosen = order.order_id == self._chosen_id
        kind = "table--chosen" if chosen else "table--even" if number % 2 else ""
        style = self.get_component_rich_style(kind) if kind else self.rich_style
        return self._strip(_CHOSEN if chosen else _NOT_CHOSEN, cells_of(order, self._columns), style)

    def _head(self, column: Column) -> Text:
        sign = "" if column.field != self._sort.field else "▼" if self._sort.descending else "▲"
        return Text(f"{column.head}{sign}")

    def _strip(self, begin: str, cells: Sequence[Text], style: Style) -> Strip:
        line = Text(begin)
        for column, cell in zip(self._columns, cells, strict=True):
            cell.truncate(column.width, overflow="ellipsis")
            space = " " * (column.width - cell.cell_len)
            line.append_text(Text.assemble(space, cell) if column.right else Text.assemble(cell, space))
            line.append(" " * PADDING)
        segments = Segment.apply_style(line.render(self.app.console, end=""), style)
        return Strip(segments).adjust_cell_length(self._area.width, style)

    def action_move(self, by: int) -> None:
        """Choose an order so many lines farther down."""
        if self._orders:
            self._choose(max(0, min(self._chosen + by, len(self._orders) - 1)))

    def action_page(self, by: int) -> None:
        """Choose an order so many screens farther down."""
        self.action_move(by * max(1, self._area.height - 2))

    def _choose(self, number: int) -> None:
        self._chosen, self._chosen_id = number, self._orders[number].order_id
        self.show_chosen()
        self.refresh()

    @property
    def _is_in_sight(self) -> bool:
        """Is the chosen order on the screen? Who scrolled away from it is not taken back."""
        return self.scroll_offset.y <= self._chosen < self.scroll_offset.y + self._lines

    @property
    def _lines(self) -> int:
        """Orders that have room on the screen."""
        return max(1, self._area.height - 1)

    def show_chosen(self) -> None:
        """Have the chosen order in sight."""
        if not self._is_in_sight:
            above = self._chosen < self.scroll_offset.y
            line = self._chosen if above else self._chosen - self._lines + 1
            self.scroll_to(y=line, animate=False, immediate=True, force=True)

    def on_click(self, event: Click) -> None:
        """A heading sorts; an order is chosen, and looked at when it is already."""
        if event.y == 0:
            field = self._field_at(event.x - _EDGE)
            if field:
                self.post_message(self.HeadClicked(field))
            return
        number = self.scroll_offset.y + event.y - 1
        if number < len(self._orders):
            if self._orders[number].order_id == self._chosen_id:
                self.post_message(self.OrderClicked())
            else:
                self._choose(number)

    def _field_at(self, x: int) -> str:
        for column in self._columns:
            if 0 <= x < column.width + PADDING:
                return column.field
            x -= column.width + PADDING
        return ""
