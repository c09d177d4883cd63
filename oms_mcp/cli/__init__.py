"""What can be done from a command line? `oms ...`: arguments and printing only."""

import io
import os
import sys
from contextlib import suppress

from oms_mcp.cli import orders  # isort: skip # each module's commands join the app, and help lists them in this order
from oms_mcp.cli import drawing  # isort: skip
from oms_mcp.cli import following, blotter, audit, scenarios, simulating, fix, serving, tokens  # isort: skip
from oms_mcp.cli import safekeeping, erasure, outbox  # isort: skip
from oms_mcp.cli import projections, settings, knowledge, quality, contracts  # isort: skip
from oms_mcp.cli.root import MISUSED, REFUSED, app

__all__ = [
    "app",
    "audit",
    "blotter",
    "contracts",
    "drawing",
    "erasure",
    "fix",
    "following",
    "knowledge",
    "main",
    "orders",
    "outbox",
    "projections",
    "quality",
    "safekeeping",
    "scenarios",
    "serving",
    "settings",
    "simulating",
    "tokens",
]


def main() -> None:
    """The console script `oms`."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before anything loads numpy; see knowledge_base.encoder
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode gets escapes, not a traceback
    try:
        try:
            app(prog_name="oms")
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise
        sys.exit(_unwritten(error))


def _unwritten(error: OSError) -> int:
    """Nothing more can be written to standard output; a reader that went away wants to hear nothing about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes there
    if isinstance(error, BrokenPipeError):
        return REFUSED
    with suppress(OSError):
        sys.stderr.write(f"oms: the answer cannot be written: {error.strerror}\n")
    return MISUSED
