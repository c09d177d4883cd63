"""How do the tests start a server that listens on a port, as a process of its own?"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

OMS = str(Path(sys.executable).with_name("oms"))


@dataclass
class Running:
    """A process that serves at an address."""

    url: str
    process: "subprocess.Popen[str]"

    def stop(self, signal: int = SIGTERM) -> tuple[int, str]:
        """Tell the process to stop; its exit code, and what it still wrote to standard error."""
        self.process.send_signal(signal)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """The exit code and the rest of standard error of a process that was told to stop."""
        _, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stderr


@contextmanager
def started(command: Sequence[str], cwd: Path | None = None) -> Iterator[Running]:
    """A process from when it tells its address until it ended, which it does at SIGTERM with code 0."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=cwd) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"serving on (\S+)", line)
        assert found, line + process.stderr.read()
        running = Running(found[1], process)
        try:
            yield running
        finally:
            if process.poll() is None:
                code, stderr = running.stop()
                assert code == 0, stderr


def oms_serving(*options: object) -> "list[str]":
    """The command that serves on a free port of this machine."""
    return [OMS, "serve", "--http", "127.0.0.1:0", *map(str, options)]
