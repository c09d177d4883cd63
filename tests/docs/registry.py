"""Which checks are there? All of them, by name."""

from tests.docs import (
    conduct,
    contracts,
    generated,
    glossary,
    loads,
    network,
    pictures,
    places,
    recording,
    rules,
    searching,
    states,
    surface,
    trading,
    tried,
    upkeep,
    watching,
    wires,
)
from tests.docs.checks import Check

MODULES = (
    states,
    conduct,
    rules,
    contracts,
    generated,
    wires,
    surface,
    network,
    searching,
    trading,
    recording,
    loads,
    tried,
    glossary,
    pictures,
    upkeep,
    watching,
    places,
)

ALL: dict[str, Check] = {check.name: check for module in MODULES for check in module.CHECKS}
