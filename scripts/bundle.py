"""How does the project become one file that a host installs? A .mcpb bundle: the sources, a manifest, an entry point.

The host runs it with uv, which installs what `pyproject.toml` names. The same sources give the same bytes.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parents[1]
PACKAGES = ("oms_engine", "oms_mcp", "knowledge_base")
BESIDE = ("pyproject.toml", "README.md", "LICENSE")
OWN = ("manifest.json", "server.py")
LEFT_OUT = {"__pycache__"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the first one that the format has."""


def main() -> int:
    """Write the bundle where it is asked for."""
    parser = argparse.ArgumentParser(prog="scripts/bundle", description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="?", type=Path, help="the file; dist/oms-mcp-VERSION.mcpb when not given")
    target = parser.parse_args().target or ROOT / "dist" / f"oms-mcp-{_version()}.mcpb"
    target.parent.mkdir(parents=True, exist_ok=True)
    number = write(target)
    print(f"{target}: {number} files, {target.stat().st_size // 1024} kB")
    return 0


def write(target: Path) -> int:
    """Write the bundle; tells how many files are in it."""
    files = sorted(_files())
    with ZipFile(target, "w", ZIP_DEFLATED) as bundle:
        for name, file in files:
            entry = ZipInfo(name, LONG_AGO)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, file.read_bytes())
    return len(files)


def _files() -> Iterator[tuple[str, Path]]:
    yield from ((name, ROOT / "bundle" / name) for name in OWN)
    yield from ((name, ROOT / name) for name in BESIDE)
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*"):
            if file.is_file() and not LEFT_OUT & {*file.parts}:
                yield file.relative_to(ROOT).as_posix(), file


def _version() -> str:
    return str(json.loads((ROOT / "bundle" / "manifest.json").read_text(encoding="utf-8"))["version"])


if __name__ == "__main__":
    sys.exit(main())
