"""Where do models and indexes live between two starts, and what if nothing can be written there?"""

import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def default_cache() -> Path:
    """OMS_CACHE_DIR, else `oms-mcp` in XDG_CACHE_HOME, else `~/.cache/oms-mcp`."""
    if own := os.environ.get("OMS_CACHE_DIR"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "oms-mcp"
    return Path("~/.cache/oms-mcp").expanduser()


class Cache:
    """A folder that can be written: the wanted one, or a temporary one that goes away with the process.

    Attributes:
        folder: where to write.
        note: why it is a temporary folder; None when it is the wanted one.

    Raises:
        OSError: not even a temporary folder can be made.
    """

    def __init__(self, wanted: Path) -> None:
        self.folder = wanted
        self.note: str | None = None
        try:
            wanted.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=wanted):
                pass
        except OSError as problem:
            temporary = tempfile.TemporaryDirectory(prefix="oms-mcp-", ignore_cleanup_errors=True)
            weakref.finalize(self, temporary.cleanup)
            self.folder = Path(temporary.name)
            _borrow(wanted, self.folder)
            self.note = (
                f"the cache folder {wanted} cannot be written ({problem.strerror or problem}), so what it lacks is "
                "built anew in each process; set OMS_CACHE_DIR to a folder that can be written"
            )


def _borrow(wanted: Path, folder: Path) -> None:
    """Take over what a cache holds that cannot be written: models by a link, for they are large and only read."""
    with suppress(OSError):
        for model in (wanted / "models").iterdir():
            (folder / "models").mkdir(exist_ok=True)
            (folder / "models" / model.name).symlink_to(model.resolve())
    for name in ("index", "embeddings"):
        with suppress(OSError):
            shutil.copytree(wanted / name, folder / name, copy_function=shutil.copyfile)
            for copied in (folder / name, *(folder / name).rglob("*")):
                copied.chmod(0o700)


@contextmanager
def build_lock(cache: Path) -> Iterator[None]:
    """Held by the one process of this machine that builds in this cache; the others wait here."""
    with (cache / "build.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` in one step when the block succeeds; the caller holds `build_lock`.

    What an interrupted build has left behind is removed first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob("building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=folder.parent) as temporary:
        written = Path(temporary, "whole")
        written.mkdir()
        yield written
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        written.rename(folder)
