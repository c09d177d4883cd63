"""Are the pictures, the signs of states and the keys of the live blotter told as they are?"""

from oms_engine.storage.flow import MOST_EVENTS
from oms_mcp.blotter.app import MOST_ROWS, keys
from oms_mcp.blotter.status import CONDITION_SIGNS
from oms_mcp.cli.drawing import Subject
from oms_mcp.pictures.signs import ROLE_LETTERS, SIGNS
from oms_mcp.pictures.timeline import MOST_MOMENTS
from oms_mcp.pictures.tree import MOST_CHILDREN
from oms_mcp.pictures.waterfall import MOST_STEPS
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes

GUIDE = "guides/watch-orders.md"
PICTURES = Place(GUIDE, "2-pictures")
STATES = Place(GUIDE, "22-signs-of-states")
BLOTTER = Place(GUIDE, "3-the-live-blotter")
KEYS = Place(GUIDE, "31-keys")
OF_ITSELF = Place(GUIDE, "32-what-it-says-of-itself")


def _pictures(pages: Pages, _: Known) -> list[str]:
    told = [codes(row["Command"])[0].split()[2] for row in pages.table(PICTURES).rows]
    return differences("picture", told, list(map(str, Subject)))


def _signs(pages: Pages, _: Known) -> list[str]:
    told = [(codes(row["State"])[0], row["Sign"], codes(row["In ASCII"])[0]) for row in pages.table(STATES).rows]
    return differences("sign", told, [(str(state), sign.symbol, sign.letter) for state, sign in SIGNS.items()])


def _keys(pages: Pages, _: Known) -> list[str]:
    return differences("key", [(codes(row["Key"])[0], row["Does"]) for row in pages.table(KEYS).rows], keys())


def _conditions(pages: Pages, _: Known) -> list[str]:
    told = [(row["Sign"], row["Word"]) for row in pages.table(OF_ITSELF).rows]
    return differences("condition", told, [(sign, str(word)) for word, (sign, _style) in CONDITION_SIGNS.items()])


def _bounds(pages: Pages, _: Known) -> list[str]:
    """The bounds that the prose names."""
    bounds = {
        PICTURES: (
            f"the last {MOST_MOMENTS} events",
            f"a waterfall {MOST_STEPS} steps",
            _WORDS[MOST_CHILDREN],
            _WORDS[MOST_EVENTS],
        ),
        BLOTTER: (f"At most {MOST_ROWS} orders",),
        STATES: tuple(f"{letter} {_ROLES[role]}" for role, letter in ROLE_LETTERS.items()),
    }
    return [
        f"{place.anchor} does not say {bound!r}"
        for place, told in bounds.items()
        for bound in told
        if bound not in " ".join(pages.own_text(place.path, place.anchor).split())
    ]


_WORDS = {20: "children twenty", 1_000_000: "more than a million events"}
_ROLES = {"GROUP": "a group", "CLIENT": "a client's order", "MARKET": "one in the market", "SLICE": "a slice"}

CHECKS = (
    Check("pictures that can be drawn", _pictures, (PICTURES,)),
    Check("signs of states", _signs, (STATES,)),
    Check("keys of the blotter", _keys, (KEYS,)),
    Check("what the blotter says of itself", _conditions, (OF_ITSELF,)),
    Check("bounds of pictures and blotter", _bounds),
)
