"""What does a browser make of a page? Its words with their places, as Chromium lays them out at a given width."""

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

LOOK = """
<script>
const boxes = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  if (!text || walker.currentNode.parentElement.closest("script, style")) continue;
  const range = document.createRange();
  range.selectNodeContents(walker.currentNode);
  for (const part of range.getClientRects())
    boxes.push({text, x: part.left, y: part.top, right: part.right, bottom: part.bottom});
}
const shapes = [...document.querySelectorAll("svg *")].map(each => each.getBoundingClientRect());
const scrolling = [...document.querySelectorAll("*")].filter(
  each => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline" && each.clientWidth);
const found = {
  width: innerWidth, content: document.documentElement.scrollWidth, boxes,
  scrolling: scrolling.map(each => each.tagName + "." + each.className),
  shapes: shapes.length, outside: shapes.filter(each => each.left < -1 || each.right > innerWidth + 1).length,
  paper: getComputedStyle(document.body).backgroundColor,
};
const kept = parent.document.createElement("pre");
kept.id = "found";
kept.textContent = JSON.stringify(found);
parent.document.body.append(kept);
</script>
"""


FRAME = (
    '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    '<body><iframe style="border:0;width:{width}px;height:1000px" srcdoc="{page}"></iframe></body>'
)
"""A page in a window of its own: no window of Chromium itself is narrower than 500 pixels."""


def chromium() -> str:
    """The browser; a test that needs it fails without it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "Chromium is needed: apt-get install chromium, or another package that has one of " + ", ".join(NAMES)
    return found


def run(*arguments: str) -> str:
    """What Chromium prints, with a profile of its own."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium(), *FLAGS, f"--user-data-dir={profile}", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return done.stdout


def laid_out(page: str, folder: Path, width: int, *more: str) -> dict[str, Any]:
    """How a page is laid out at a width: the box of each line of text, and what scrolls."""
    copy = folder / f"copy-{width}.html"
    allowed = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    framed = html.escape(allowed.replace("</body>", LOOK + "</body>"))
    copy.write_text(FRAME.format(width=width, page=framed), encoding="utf-8")
    told = run(f"--window-size={width + 100},1000", *more, "--dump-dom", copy.as_uri())
    found = re.search('<pre id="found">(.*?)</pre>', told, re.DOTALL)
    assert found, told[-500:]
    layout: dict[str, Any] = json.loads(html.unescape(found[1]))
    assert layout["width"] == width
    return layout


def blemishes(layout: dict[str, Any]) -> list[str]:
    """Texts that overlap or leave the page, and whatever has to be scrolled sideways."""
    boxes = layout["boxes"]
    told = [f"{each['text']!r} leaves the page" for each in boxes if each["x"] < 0 or each["right"] > layout["width"]]
    told += [f"{each} is too narrow for what is in it" for each in layout["scrolling"]]
    if layout["content"] > layout["width"]:
        told.append(f"the page is {layout['content']} wide")
    if layout["outside"]:
        told.append(f"{layout['outside']} shapes leave the page")
    boxes = sorted(boxes, key=lambda each: each["y"])
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            if other["y"] >= one["bottom"] - 1:
                break
            if other["x"] < one["right"] - 1 and one["x"] < other["right"] - 1:
                told.append(f"{one['text']!r} and {other['text']!r} overlap")
    return told
