"""How alike are a passage and a question? Three cosines."""

from typing import NamedTuple


class Likeness(NamedTuple):
    """How alike a passage and a question are, each -1 to 1.

    Attributes:
        cosine: of the two as wholes.
        title: of the question and the title of the section.
        match: mean over the words of the question of the cosine to the nearest word of the passage.
    """

    cosine: float
    title: float
    match: float
