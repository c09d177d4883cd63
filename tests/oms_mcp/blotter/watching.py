"""How do the tests look at the blotter? As somebody at a terminal: by what stands on the screen, and with keys."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from io import StringIO

import anyio
from rich.console import Console
from textual.events import Paste
from textual.pilot import Pilot

from oms_engine import Engine
from oms_mcp.blotter.app import Blotter
from oms_mcp.blotter.news import Question
from oms_mcp.blotter.rows import Sort
from oms_mcp.blotter.status import Condition

DEADLINE = 20.0
_MOMENT = 0.01

SMALL, LARGE = (80, 24), (200, 50)


class Watcher:
    """Somebody before a screen."""

    def __init__(self, app: Blotter, pilot: Pilot[None]) -> None:
        self.app = app
        self._pilot = pilot

    def screen(self) -> str:
        """The screen as lines of text."""
        width, height = self.app.size
        console = Console(width=width, height=height, file=StringIO(), record=True, legacy_windows=False)
        console.print(self.app.screen._compositor.render_update(full=True, simplify=False))
        return console.export_text(styles=False)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen().splitlines()]

    def ids(self) -> list[str]:
        """The first column of the table, from top to bottom."""
        table = self.lines()
        head = next(number for number, line in enumerate(table) if line.startswith("  orderId"))
        return [line[2:].split()[0] for line in table[head + 1 : -1] if line[2:].strip()]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something is to be seen; fails when it is not in time, and shows the screen."""
        deadline = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < deadline, f"it never came:\n{self.screen()}"
            await self._pilot.pause(_MOMENT)

    async def until_live(self, *, position: int | None = None) -> None:
        """Wait until everything up to a position is shown; the last one of the store when not given."""
        wanted = self.app._engine.position if position is None else position
        await self.until(lambda: self.app.status.condition is Condition.LIVE and self.app.status.position >= wanted)
        await self._pilot.pause()

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)
        await self._pilot.pause()

    async def type(self, text: str) -> None:
        """Replace what stands in the line for conditions, and apply it."""
        await self.press("slash", "end", "ctrl+u")
        if text:
            self.app.screen.post_message(Paste(text))
        await self.press("enter")

    async def click(self, column: int, line: int) -> None:
        await self._pilot.click(offset=(column, line))
        await self._pilot.pause()

    async def resize(self, width: int, height: int) -> None:
        await self._pilot.resize_terminal(width, height)
        await self._pilot.pause()


@asynccontextmanager
async def watching(
    engine: Engine, *where: str, size: tuple[int, int] = SMALL, sort: Sort | None = None, most: int = 500
) -> AsyncIterator[Watcher]:
    """The blotter on a screen of this size, once it is live."""
    app = Blotter(engine, "orders.db", Question(where, sort or Sort()), most)
    async with app.run_test(size=size) as pilot:
        watcher = Watcher(app, pilot)
        await watcher.until_live()
        await watcher.until(lambda: "Quit" in watcher.screen() or size[0] < SMALL[0])
        yield watcher


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test that waits."""
    anyio.run(test)
