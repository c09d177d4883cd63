"""What does each task cost an agent? `python -m tests.agent_tasks` prints calls and tokens as a table."""

import sys

from knowledge_base import Library
from tests.agent_tasks.running import report


def main() -> int:
    """Solve every task, print the table, and return 1 when one went wrong."""
    failed = 0
    sys.stdout.write("| Task | Calls | Tokens |\n|---|---|---|\n")
    with Library.open(semantic=False) as library:
        for solved in report(library):
            sys.stdout.write(f"| {solved.task.title} | {solved.calls} | {round(solved.tokens, -2):,} |\n")
            for wrong in solved.wrong:
                failed = 1
                sys.stdout.write(f"  wrong: {wrong}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
