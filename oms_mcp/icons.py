"""What do people see of the server and its tools? Drawings by danger: what reads, what writes, what destroys."""

from urllib.parse import quote

from mcp_types import Icon


def _drawn(colour: str, path: str) -> Icon:
    """A line drawing of 24 by 24, in the address itself, so that no network is needed to show it."""
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='{colour}' stroke-width='2'>"
        f"<path d='{path}'/></svg>"
    )
    return Icon(src=f"data:image/svg+xml,{quote(svg, safe=_PLAIN)}", mime_type="image/svg+xml", sizes=["any"])


_PLAIN = "='/:,"
"""What may stand in an address as it is (RFC 3986), and does in a drawing."""

SERVER = _drawn("#36c", "M4 4h16v16H4zM4 10h16M10 10v10")
"""A ticket with its fields."""

READS = _drawn("#36c", "M10 4a6 6 0 1 0 .1 0zM15 15l6 6")
"""A lens."""

WRITES = _drawn("#283", "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4")
"""A pencil."""

DESTROYS = _drawn("#b22", "M12 3L2 21h20zM12 10v5M12 17v2")
"""A warning."""
