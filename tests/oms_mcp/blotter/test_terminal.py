"""Does `oms top` work in a real terminal, while another process writes, and does it leave the terminal as it was?"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.oms_mcp.blotter.watching import DEADLINE

ROOT = Path(__file__).parent.parent.parent.parent
OMS = [sys.executable, "-c", "from oms_mcp.cli import main; main()"]
ENTER_SCREEN, LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
_SEQUENCE = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]")

pytestmark = pytest.mark.slow


class Terminal:
    """A process at a terminal of its own, of 24 lines of 100 columns."""

    def __init__(self, *words: str, **variables: str) -> None:
        self._end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        for name in ("OMS_DB", "OMS_SETTINGS", "COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING"):
            environment.pop(name, None)
        environment |= variables
        self.process = subprocess.Popen(
            [*OMS, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
            cwd=ROOT,
        )
        self.written = b""

    def until(self, text: str, *, after: int = 0) -> int:
        """Read until a text was written behind a place; returns how much was written then."""
        deadline = time.monotonic() + 3 * DEADLINE
        while text not in _SEQUENCE.sub(b"", self.written[after:]).decode(errors="replace"):
            assert time.monotonic() < deadline, f"{text!r} never came: {self.written[-3000:]!r}"
            self._read(0.1)
        return len(self.written)

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def ended(self) -> int:
        """Read until the process has ended; returns its exit code."""
        deadline = time.monotonic() + 3 * DEADLINE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on: {self.written[-3000:]!r}"
            self._read(0.1)
        self._read(0.1)
        return self.process.returncode

    def _read(self, seconds: float) -> None:
        if select.select([self._end], [], [], seconds)[0]:
            self.written += os.read(self._end, 65_536)

    def until_full(self) -> None:
        """Read nothing until the terminal takes no more of what the process writes."""
        deadline = time.monotonic() + 3 * DEADLINE
        while select.select([], [self._theirs], [], 0)[1]:
            assert time.monotonic() < deadline, "it takes more and more"

    @property
    def after(self) -> list[object]:
        """How the terminal is set now."""
        return termios.tcgetattr(self._theirs)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._end)
        os.close(self._theirs)


@contextmanager
def terminal(*words: str, **variables: str) -> Iterator[Terminal]:
    made = Terminal(*words, **variables)
    try:
        yield made
    finally:
        made.close()


def _exec(file: Path, *commands: dict[str, object]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [*OMS, "exec", json.dumps(commands), "--db", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert told.returncode == 0, told.stderr


def _order(order_id: str) -> dict[str, object]:
    terms = {"account": "ACC-1", "symbol": "ACME", "side": "BUY", "ordType": "LIMIT", "orderQty": "77", "price": "9"}
    return {"type": "OrderCreateCmd", "order": {**terms, "orderId": order_id, "clOrdId": f"C-{order_id}"}}


def test_orders_of_another_process_are_seen_in_a_terminal_that_is_left_as_it_was(file: Path) -> None:
    with terminal("top", "symbol=ACME", "--db", str(file)) as seen:
        seen.until("live")
        seen.until("O1")
        assert ENTER_SCREEN in seen.written
        so_far = len(seen.written)
        _exec(file, _order("NEWCOMER"), {"type": "OrderAcceptCmd", "orderId": "NEWCOMER"})
        seen.until("NEWCOMER", after=so_far)
        so_far = len(seen.written)
        seen.type("g\r")
        so_far = seen.until("clOrdId C-NEWCOMER", after=so_far)
        seen.type("?")
        seen.until("Leave the terminal as it was", after=so_far)
        seen.type("q")
        assert seen.ended() == 0
        assert seen.written.rindex(LEAVE_SCREEN) > seen.written.rindex(ENTER_SCREEN)
        assert seen.after == seen.before
        assert b"Traceback" not in seen.written


def test_ctrl_c_leaves_the_terminal_as_it_was(file: Path) -> None:
    with terminal("top", "--db", str(file)) as seen:
        seen.until("live")
        seen.type("\x03")
        assert seen.ended() == 0
        assert LEAVE_SCREEN in seen.written
        assert seen.after == seen.before


def test_a_terminal_without_unicode_is_told_what_to_do(file: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    with terminal("top", "--db", str(file), **plain) as seen:
        assert seen.ended() == 2
        seen.until("needs a terminal with UTF-8")
        assert ENTER_SCREEN not in seen.written


def test_a_terminal_that_only_prints_lines_is_told_what_to_do(file: Path) -> None:
    with terminal("top", "--db", str(file), TERM="dumb") as seen:
        assert seen.ended() == 2
        seen.until("oms subscribe")
        assert ENTER_SCREEN not in seen.written


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_leaves_the_terminal_as_it_was(file: Path, number: signal.Signals) -> None:
    with terminal("top", "--db", str(file)) as seen:
        seen.until("live")
        seen.process.send_signal(number)
        assert seen.ended() == 0
        assert LEAVE_SCREEN in seen.written
        assert seen.after == seen.before


def test_a_signal_ends_it_although_nobody_reads_the_terminal_any_more(file: Path) -> None:
    with terminal("top", "--db", str(file)) as seen:
        seen.until("live")
        seen.type("?\x1b" * 200)
        seen.until_full()
        seen.process.send_signal(signal.SIGTERM)
        assert seen.process.wait(timeout=DEADLINE) == 128 + signal.SIGTERM
