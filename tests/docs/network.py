"""Does the guide to HTTP say which scopes there are, what each allows, and what a server takes?"""

from oms_mcp.scopes import ADDRESS_SCOPES, PROMPT_SCOPES, TOOL_SCOPES, Scope
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes
from tests.docs.surface import line_commands

PAGE = "guides/serve-over-http.md"
SCOPES = Place(PAGE, "23-scopes")
NAMES = Place(PAGE, "3-names-and-origins")
LIMITS = Place(PAGE, "4-limits")


def _scopes(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(SCOPES).rows
    found = differences("scope", [row["Scope"].strip("`") for row in rows], [*Scope])
    for column, known in (("Tools", TOOL_SCOPES), ("Addresses", ADDRESS_SCOPES), ("Prompts", PROMPT_SCOPES)):
        told = [(name, row["Scope"].strip("`")) for row in rows for name in codes(row[column])]
        found += differences(f"scope of {column.lower()}", told, [(name, str(scope)) for name, scope in known.items()])
    return found


def _limits(pages: Pages, _: Known) -> list[str]:
    told = [(row["Option"].strip("`"), row["Default"]) for row in pages.table(LIMITS).rows]
    parameters = line_commands()["serve"].params
    known = [(each.opts[0], str(each.default)) for each in parameters if isinstance(each.default, int)]
    return differences("limit", told, [limit for limit in known if limit[1].isdigit()])


def _names(pages: Pages, _: Known) -> list[str]:
    told = [row["Option"].strip("`") for row in pages.table(NAMES).rows]
    known = [each.opts[0] for each in line_commands()["serve"].params if each.opts[0].startswith("--allow-")]
    return differences("option that allows callers", told, known)


CHECKS = (
    Check("scopes", _scopes, (SCOPES,)),
    Check("limits over HTTP", _limits, (LIMITS,)),
    Check("names over HTTP", _names, (NAMES,)),
)
