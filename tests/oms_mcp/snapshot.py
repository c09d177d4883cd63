"""How is what a person sees kept, so that a test notices when it changes?

Where the file is missing, the test writes it and fails; look at it, and it holds from then on. To take over what was
changed on purpose, delete the file and run the test twice. Where everything has to run, nothing is written.
"""

import os
from pathlib import Path

import pytest


def same(folder: Path, name: str, text: str) -> None:
    """Compare a text with the one that was kept under this name; trailing spaces say nothing."""
    shown = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    kept = folder / f"{name}.txt"
    if not kept.exists():
        assert os.environ.get("OMS_NO_SKIP") != "1", f"{kept} is missing; run the test once without OMS_NO_SKIP"
        kept.write_text(shown, encoding="utf-8")
        pytest.fail(f"{kept} was written anew; look at it, it holds from now on")
    assert shown == kept.read_text(encoding="utf-8"), f"{kept} differs; delete it when the change is meant"
