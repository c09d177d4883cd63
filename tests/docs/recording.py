"""Are FIX logs told as they are read and written: messages, tags, findings, causes, verdicts and rooms?"""

from oms_engine.simulation.fix.account import Cause, Verdict
from oms_engine.simulation.fix.bodies import EXECUTIONS
from oms_engine.simulation.fix.comparing import COMPARED
from oms_engine.simulation.fix.reading import Finding
from oms_engine.simulation.fix.tags import EXEC_TYPES, FILL, MSG_TYPES, ORDER, TAGS, TERMS
from oms_engine.simulation.fix.writing import REJECTS, REQUESTS
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes
from tests.docs.pictures import ROOT

PAGE = "contracts/fix-log.md"
MESSAGES = Place(PAGE, "1-which-messages-are-read")
REPORTS = Place(PAGE, "31-execution-reports")
ORDERS = Place(PAGE, "32-tags-of-an-order")
FILLS = Place(PAGE, "33-tags-of-a-fill")
FINDINGS = Place(PAGE, "4-numbers-of-a-session")
COMPARISON = Place(PAGE, "5-what-is-compared")
CAUSES = Place(PAGE, "6-why-they-differ")
VERDICTS = Place(PAGE, "7-the-account")
EVENTS = Place(PAGE, "8-writing-a-log")
ROOMS = Place("project/architecture.md", "27-the-rooms-of-fix-logs")

FIX = ROOT / "oms_engine/simulation/fix"


def _messages(pages: Pages, _: Known) -> list[str]:
    told = [(codes(row["MsgType"])[0], row["Message"]) for row in pages.table(MESSAGES).rows]
    return differences("MsgType", told, MSG_TYPES.items())


def _reports(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(REPORTS).rows
    told = [(codes(row["ExecType (150)"])[0], row["Name"], row["Command"]) for row in rows]
    known = [(code, name, command or "none") for code, (name, command) in EXEC_TYPES.items()]
    return differences("ExecType", told, known)


def _orders(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(ORDERS).rows
    told = [(row["Tag"], row["Name"], codes(row["Field"])[0], row["In a replace"]) for row in rows]
    replaced = {mapped.tag for mapped in TERMS}
    known = [(str(each.tag), TAGS[each.tag], each.wire, "yes" if each.tag in replaced else "no") for each in ORDER]
    return differences("tag of an order", told, known)


def _fills(pages: Pages, _: Known) -> list[str]:
    told = [(row["Tag"], row["Name"], codes(row["Field"])[0]) for row in pages.table(FILLS).rows]
    return differences("tag of a fill", told, [(str(each.tag), TAGS[each.tag], each.wire) for each in FILL])


def _findings(pages: Pages, _: Known) -> list[str]:
    told = [codes(row["Noticed"])[0] for row in pages.table(FINDINGS).rows]
    return differences("finding", told, [finding.value for finding in Finding])


def _compared(pages: Pages, _: Known) -> list[str]:
    told = [(row["Tag"], row["Name"]) for row in pages.table(COMPARISON).rows]
    return differences("tag that is compared", told, [(str(tag), TAGS[tag]) for tag in COMPARED])


def _words(pages: Pages, _: Known) -> list[str]:
    causes = [codes(row["Cause"])[0] for row in pages.table(CAUSES).rows]
    verdicts = [codes(row["Verdict"])[0] for row in pages.table(VERDICTS).rows]
    return [
        *differences("cause of a difference", causes, [cause.value for cause in Cause]),
        *differences("verdict", verdicts, [verdict.value for verdict in Verdict]),
    ]


def _events(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(EVENTS).rows
    told = [(codes(row["Event"])[0], codes(row["MsgType"])[0], *codes(row["ExecType"])) for row in rows]
    known = [
        *REQUESTS.items(),
        *((event, "8", exec_type) for event, (exec_type, _) in EXECUTIONS.items()),
        *((event, "9") for event in REJECTS),
    ]
    return differences("event that is written", told, known)


def _rooms(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(ROOMS).rows for name in codes(row.first)]
    modules = [path.name for path in FIX.glob("*.py") if path.name != "__init__.py"]
    return differences("room of FIX logs", told, modules)


CHECKS = (
    Check("messages of a FIX log", _messages, (MESSAGES,)),
    Check("execution reports of a FIX log", _reports, (REPORTS,)),
    Check("tags of an order", _orders, (ORDERS,)),
    Check("tags of a fill", _fills, (FILLS,)),
    Check("what is noticed in a FIX log", _findings, (FINDINGS,)),
    Check("what is compared with a FIX log", _compared, (COMPARISON,)),
    Check("causes and verdicts of a replay", _words, (CAUSES, VERDICTS)),
    Check("what is written into a FIX log", _events, (EVENTS,)),
    Check("rooms of FIX logs", _rooms, (ROOMS,)),
)
