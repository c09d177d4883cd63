"""Is told which contracts are generated, in which formats, which prompts there are, and which clients are known?"""

import re

from oms_engine.contracts import spec
from oms_engine.contracts.pages import PAGES
from oms_mcp.clients import CLIENTS
from oms_mcp.prompts import PROMPTS
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes

PAGE = "contracts/generated-contracts.md"
ADDRESSES = Place(PAGE, "1-addresses")
FORMATS = Place(PAGE, "2-formats")
CLIENT_LIST = Place("guides/connect-a-client.md", "1-the-entry-for-your-client")
PROMPT_LIST = Place("guides/connect-a-client.md", "4-prompts")


def _addresses(pages: Pages, _: Known) -> list[str]:
    return differences("address", [row.first.strip("`") for row in pages.table(ADDRESSES).rows], spec.ADDRESSES)


def _formats(pages: Pages, _: Known) -> list[str]:
    """The formats, and which addresses have all of them or text alone."""
    text = " ".join(pages.own_text(FORMATS.path, FORMATS.anchor).split())
    in_all, _, text_alone = text.partition("has all of them.")[2].partition("`spec://index`")
    return [
        *differences("format", [row.first.strip("`") for row in pages.table(FORMATS).rows], spec.FORMATS),
        *differences("address in all formats", set(re.findall(r"`spec://(\w+)`", in_all)), set(spec.GROUPS)),
        *differences(
            "address in text alone",
            {"index", *re.findall(r"`spec://(\w+)`", text_alone)},
            set(PAGES) - set(spec.GROUPS),
        ),
    ]


def _prompts(pages: Pages, _: Known) -> list[str]:
    told = [(row.first.strip("`"), tuple(codes(row["Arguments"]))) for row in pages.table(PROMPT_LIST).rows]
    return differences("prompt", told, [(name, task.names) for name, task in PROMPTS.items()])


def _clients(pages: Pages, _: Known) -> list[str]:
    told = [tuple(row.cells) for row in pages.table(CLIENT_LIST).rows]
    return differences("client", told, [(client.title, f"`{name}`", client.place) for name, client in CLIENTS.items()])


CHECKS = (
    Check("clients", _clients, (CLIENT_LIST,)),
    Check("addresses of contracts", _addresses, (ADDRESSES,)),
    Check("formats of contracts", _formats, (FORMATS,)),
    Check("prompts", _prompts, (PROMPT_LIST,)),
)
