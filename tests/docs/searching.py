"""Are the weights of the search those in the code?"""

import re

from knowledge_base import ranking
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place

WEIGHTS = Place("framework/search.md", "2-from-a-question-to-hits")


def _weights(pages: Pages, _: Known) -> list[str]:
    told = [(row["Weight"].strip("`"), float(row["Value"])) for row in pages.table(WEIGHTS).rows]
    doubt = re.search(r"Below (\d\.\d) `lowConfidence`", pages.text(WEIGHTS.path))
    weights = ("MATCH", "MEANING", "TITLE", "WORDS", "OTHER_WORDS", "DOCUMENT")
    return [
        *differences("weight", told, [(name, getattr(ranking, name)) for name in weights]),
        *differences("confidence that is low", [float(doubt[1]) if doubt else None], [ranking.DOUBT]),
    ]


CHECKS = (Check("weights of the search", _weights, (WEIGHTS,)),)
