"""How is each task solved? One script per task, which reads its values from the text and from the answers."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.agent_tasks.client import ScriptedAgent

Wire = dict[str, Any]
Solve = Callable[[ScriptedAgent], Wire]

_WORD = r"([^\s,.;:]+)"


def _refusal_of_a_create(agent: ScriptedAgent) -> Wire:
    side, quantity, symbol = (
        agent.told(r", (\w+) \d+ "),
        agent.told(r"(\d+) \S+, LIMIT"),
        agent.told(r"\d+ (\S+), LIMIT"),
    )
    order = {
        "cl_ord_id": agent.told(rf"clOrdId {_WORD}"),
        "account": agent.told(rf"Account {_WORD}"),
        "symbol": symbol,
        "side": side,
        "ord_type": "LIMIT",
        "order_qty": quantity,
        "price": agent.told(r"LIMIT at (\d+)"),
    }
    error = agent.refused("create_order", **order, dry_run=True)
    (found,) = error["violations"]
    section = agent.ask("read_kb", path=found["citation"])
    again = agent.ask(
        "create_order", **order, more={found["field"]: agent.told(rf"granted locate {_WORD}")}, dry_run=True
    )
    return {
        "rule": found["ruleId"],
        "errorCode": error["errorCode"],
        "citation": f"{section['path']}#{section['anchor']}",
        "passes": again["status"] == "OK",
    }


def _bust_a_print(agent: ScriptedAgent) -> Wire:
    day, time = agent.told(r"On (\S+) the venue"), agent.told(r"print of (\S+Z)")
    at = agent.made(f"{day}T{time}", day, time)
    first = agent.ask("search_orders", entity="execution")["content"][0]
    field = next(name for name in first if name == "transactTime")
    symbol = agent.told(rf"broke the {_WORD} print")
    fills = agent.ask("search_orders", entity="execution", where=[f"{field}={at}"])["content"]
    (fill,) = [each for each in fills if agent.ask("get_order", order_id=each["orderId"])["symbol"] == symbol]
    done = agent.ask(
        "correct_execution",
        action="bust",
        exec_id=fill["execId"],
        order_id=fill["orderId"],
        reason=agent.invented("the venue broke the trade"),
        confirm=True,
    )
    return {"order": done["orderId"], "state": done["after"]["state"], "open": done["after"]["leavesQty"]}


def _replace_against_a_moving_order(agent: ScriptedAgent) -> Wire:
    order_id, price = agent.told(r"on order (\S+)\. Act"), agent.told(r"price (\S+) on")
    most = Decimal(agent.told(r"more than (\d+) executed"))
    order = agent.ask("get_order", order_id=order_id)
    replace: Wire = {"order_id": order_id, "action": "replace", "price": price}
    replace["cl_ord_id"] = agent.invented("R-1")
    error = agent.refused("update_order", **replace, expected_version=order["version"])
    order = agent.ask("get_order", order_id=order_id)
    if Decimal(order["cumQty"]) <= most:
        done = agent.ask("update_order", **replace, expected_version=order["version"])
    return {
        "refusedWith": error["errorCode"],
        "executed": order["cumQty"],
        "cancelState": done["after"]["cancelState"],
    }


def _cancel_that_comes_too_late(agent: ScriptedAgent) -> Wire:
    order = agent.ask("get_order", cl_ord_id=agent.told(rf"clOrdId {_WORD}"))
    agent.ask("end_order", order_id=order["orderId"], action="cancel", confirm=True)
    order = agent.ask("get_order", order_id=order["orderId"])
    if order["state"] != "FILLED":
        agent.ask("end_order", order_id=order["orderId"], action="accept_cancel", confirm=True)
    return {"state": order["state"], "average": order["avgPx"]}


def _block_order(agent: ScriptedAgent) -> Wire:
    names = agent.told(r"clOrdId (\S+ and \S+),").split(" and ")
    members = [agent.ask("get_order", cl_ord_id=name)["orderId"] for name in names]
    trader, quantity, price = agent.told(r"^(\S+) wants"), agent.told(r"fill of (\d+)"), agent.told(r" at (\d+\.\d+)")
    block = agent.ask("group_orders", action="group", order_ids=members, grouped_by=trader)
    group_id = block["orderId"]
    agent.ask("update_order", order_id=group_id, action="place")
    agent.ask("update_order", order_id=group_id, action="accept")
    agent.ask(
        "report_execution",
        order_id=group_id,
        exec_id=agent.invented("B-1"),
        last_qty=quantity,
        last_px=price,
    )
    shares = [agent.ask("get_order", order_id=member)["cumQty"] for member in members]
    return {"block": block["after"]["orderQty"], "shares": shares}


def _allocation_in_parts(agent: ScriptedAgent) -> Wire:
    parent = agent.told(rf"below order {_WORD}")
    tree = agent.ask("get_order", order_id=parent, include=["children"])["children"]
    (giver,) = [node for node in tree if "pendingAllocQty" in node]
    done = agent.ask(
        "allocate",
        order_id=giver["orderId"],
        action="approve",
        quantity=agent.told(r"releases (\d+) of it"),
        approved_by=agent.told(r"(\S+) releases"),
    )
    return {
        "client": agent.ask("get_order", order_id=parent)["cumQty"],
        "waiting": done["after"]["pendingAllocQty"],
    }


def _whack_with_four_eyes(agent: ScriptedAgent) -> Wire:
    whack: Wire = {
        "exec_id": agent.told(rf"Fill {_WORD}"),
        "action": "whack",
        "requested_by": agent.told(r"us\. (\S+) asks"),
        "approved_by": agent.told(r"and (\S+) agrees"),
        "confirm": True,
    }
    error = agent.refused("correct_execution", **whack)
    section = agent.ask("read_kb", path=error["citation"])["text"]
    (level,) = re.findall(r"needs the level (\w+)", error["detail"])
    assert level in section
    agent.ask("correct_execution", **whack, approval_level=level)
    return {"level": level, "code": error["errorCode"]}


def _correct_a_price(agent: ScriptedAgent) -> Wire:
    order = agent.ask("get_order", cl_ord_id=agent.told(rf"clOrdId {_WORD}"), include=["executions"])
    exec_id = agent.told(rf"execution {_WORD}")
    (fill,) = [each for each in order["executions"] if each["execId"] == exec_id]
    done = agent.ask(
        "correct_execution",
        action="correct",
        order_id=order["orderId"],
        exec_id=exec_id,
        new_exec_id=agent.told(r"report is (\S+)\. Enter"),
        last_qty=fill["lastQty"],
        last_px=agent.told(r"price is (\S+) and"),
        confirm=True,
    )
    return {"before": done["before"]["avgPx"], "after": done["after"]["avgPx"]}


def _take_the_cheaper_quote(agent: ScriptedAgent) -> Wire:
    side, quantity, symbol = (
        agent.told(r"to (\w+) \d"),
        agent.told(r"(\d+) \S+ on a quote"),
        agent.told(r"(\S+) on a quote"),
    )
    account = agent.told(r"^(\S+) wants")
    asked = agent.ask("quote", action="request", symbol=symbol, quantity=quantity, side=side, account=account)
    prices = agent.every(r"\d+\.\d+")
    quotes = [
        agent.ask("quote", action="quote", quote_req_id=asked["quoteReqId"], price=price)["quoteId"] for price in prices
    ]
    agent.ask("quote", action="accept", quote_id=quotes[prices.index(min(prices, key=Decimal))])
    found = agent.ask("search_orders", entity="quote")["content"]
    states = {each["quoteId"]: each for each in found}
    taken, left = sorted((states[quote] for quote in quotes), key=lambda each: Decimal(each["price"]))
    assert taken["state"] == "ACCEPTED"
    return {"price": taken["price"], "other": left["state"]}


def _the_order_at_a_quarter_past_ten(agent: ScriptedAgent) -> Wire:
    client, moment = agent.told(rf"clOrdId {_WORD}"), agent.told(r"at (\S+Z),")
    order = agent.ask("get_order", cl_ord_id=client, as_of=moment)
    position = int(order["asOf"].removeprefix("p"))
    events = agent.ask("order_history", order_id=order["orderId"], after=position)["events"]
    return {
        "executed": order["cumQty"],
        "average": order["avgPx"],
        "since": [event["type"] for event in events],
    }


def _a_limit_for_everybody(agent: ScriptedAgent) -> Wire:
    settings = agent.ask("settings", action="list")["settings"]
    (limit,) = [name for name in settings if name.startswith("risk.") and name.endswith("maxOrderQty")]
    agent.ask("settings", action="set", changes={limit: agent.told(r"more than (\d+) shares")}, confirm=True)
    order: Wire = {
        "cl_ord_id": agent.told(rf"clOrdId {_WORD}"),
        "account": agent.told(rf"for {_WORD}, clOrdId"),
        "symbol": agent.told(r"BUY of \d+ (\S+) at"),
        "side": "BUY",
        "ord_type": "LIMIT",
        "price": agent.told(r" at (\d+) for"),
        "dry_run": True,
    }
    error = agent.refused("create_order", **order, order_qty=agent.told(r"BUY of (\d+)"))
    passes = agent.ask("create_order", **order, order_qty=agent.told(r"one\s+of (\d+) must"))
    return {"refusedWith": error["errorCode"], "passes": passes["status"] == "OK"}


def _try_before_you_book(agent: ScriptedAgent) -> Wire:
    order_id = agent.told(rf"^Order {_WORD}")
    fill = {
        "execId": agent.told(r"execution (\S+)\. Try"),
        "orderId": order_id,
        "lastQty": agent.told(r"last (\d+) at"),
        "lastPx": agent.told(r"at (\S+), as"),
    }
    states = agent.ask("check_transitions", order_id=order_id)["nextStates"]
    (command,) = [state["command"] for state in states if state["to"] == "FILLED"]
    for name in (command, "ExecutionReport"):
        agent.ask("read_kb", path=agent.made(f"spec://schema/{name}", "spec://schema/", name))
    (after,) = agent.ask("simulate", commands=[{"type": command, "execution": fill}])["orders"]
    booked = Decimal(after["avgPx"]) <= Decimal(agent.told(r"at most (\d+\.\d+)"))
    if booked:
        agent.ask(
            "report_execution",
            order_id=order_id,
            exec_id=fill["execId"],
            last_qty=fill["lastQty"],
            last_px=fill["lastPx"],
        )
    return {"average": after["avgPx"], "state": after["state"], "booked": booked}


def _many_orders(agent: ScriptedAgent) -> Wire:
    where = [f"account={agent.told(rf'account {_WORD}')}"]
    asked: Wire = {"where": where, "sort": "orderQty,DESC", "fields": ["clOrdId", "orderQty"], "size": 500}
    rows: list[Wire] = []
    cursor = "*"
    while cursor:
        page = agent.ask("search_orders", **asked, cursor=cursor)
        rows += page["content"]
        cursor = page.get("nextCursor", "")
    return {
        "count": len(rows),
        "first": rows[0]["clOrdId"],
        "last": rows[-1]["clOrdId"],
        "quantity": str(sum(int(row["orderQty"]) for row in rows)),
    }


def _open_quantity_by_symbol(agent: ScriptedAgent) -> Wire:
    states = agent.ask("check_transitions", from_state="UNACK")["nextStates"]
    assert any("Accept" in state["command"] for state in states)
    where = [f"account={agent.told(rf'account {_WORD}')}", "state=UNACK"]
    found = agent.ask("search_orders", where=where, group_by="symbol")
    assert found["warnings"] == []
    return {"open": [[group["key"], group["count"], group["sums"]["leavesQty"]] for group in found["groups"]]}


def _what_the_documents_say(agent: ScriptedAgent) -> Wire:
    first, second = agent.told(r"First: (.*?\?)"), agent.told(r"Second: (.*?\?)")
    hit = agent.ask("search_kb", query=first)["hits"][0]
    section = agent.ask("read_kb", path=hit["citation"])
    silent = agent.ask("search_kb", query=second)["lowConfidence"]
    levels = ("SENIOR_TRADER", "HEAD_OF_TRADING", "RISK_COMMITTEE")
    return {
        "citation": hit["citation"],
        "names": [level for level in levels if level in section["text"]],
        "silent": silent,
    }


def _work_an_order_through_children(agent: ScriptedAgent) -> Wire:
    order_id = agent.told(rf"order {_WORD} through")
    parent = agent.ask("get_order", order_id=order_id, response_format="detailed")
    for quantity, client, place in agent.every(r"(\d+) with clOrdId (\S+) to\s+([^\s.]+)"):
        child = agent.ask(
            "create_order",
            cl_ord_id=client,
            account=parent["account"],
            symbol=parent["symbol"],
            side=parent["side"],
            ord_type="LIMIT",
            order_qty=quantity,
            price=parent["price"],
            parent_order_id=order_id,
            more={"exDestination": place} if agent.made("exDestination", "ex_destination") else {},
        )
        agent.ask("update_order", order_id=child["orderId"], action="accept")
    (root, *_) = agent.ask("get_order", order_id=order_id, include=["children"])["children"]
    return {"placed": root["placeQty"], "left": str(Decimal(root["orderQty"]) - Decimal(root["placeQty"]))}


def _expire_what_is_over(agent: ScriptedAgent) -> Wire:
    symbol, moment = agent.told(r"order in (\S+)\s+whose"), agent.told(r"before (\S+Z);")
    force, field = agent.told(r"working (\w+) order"), agent.told(r"whose (\w+) is")
    where = [f"symbol={symbol}", f"timeInForce={force}", f"{field}__lt={moment}", "state=LIVE"]
    agent.made("timeInForce", "time_in_force")
    due = agent.ask("search_orders", where=where, sort=field, response_format="detailed")["content"]
    for order in due:
        agent.ask("end_order", order_id=order["orderId"], action="expire", confirm=True)
    return {
        "expired": [order["orderId"] for order in due],
        "notes": [order["text"] for order in due if "text" in order],
    }


def _the_line_dropped(agent: ScriptedAgent) -> Wire:
    order: Wire = {
        "cl_ord_id": agent.told(r"clOrdId (\S+)\. Suppose"),
        "account": agent.told(r"for (\S+) with"),
        "symbol": agent.told(r"BUY of \d+ (\S+) at"),
        "side": "BUY",
        "ord_type": "LIMIT",
        "order_qty": agent.told(r"BUY of (\d+)"),
        "price": agent.told(r" at (\S+) for"),
    }
    agent.ask("create_order", **order)
    again = agent.ask("create_order", **order)
    error = agent.refused("create_order", **order | {"order_qty": agent.told(r"clOrdId, (\d+),")})
    return {"duplicate": again["duplicate"], "code": error["errorCode"]}


def _one_name_two_orders(agent: ScriptedAgent) -> Wire:
    client, account = agent.told(rf"clOrdId {_WORD}"), agent.told(rf"account {_WORD}")
    error = agent.refused("get_order", cl_ord_id=client)
    (order,) = agent.ask("search_orders", where=[f"clOrdId={client}", f"account={account}"])["content"]
    assert order["orderId"] in error["detail"]
    agent.ask("end_order", order_id=order["orderId"], action="cancel", confirm=True)
    done = agent.ask("end_order", order_id=order["orderId"], action="accept_cancel", confirm=True)
    return {"cancelled": done["orderId"] if done["state"] == "CXL" else "", "ambiguous": error["errorCode"]}


def _prove_it_with_an_example(agent: ScriptedAgent) -> Wire:
    question, kind = agent.told(r"^(.*?\?)"), agent.told(rf"contain {_WORD}")
    for hit in agent.ask("search_kb", query=question, limit=10)["hits"]:
        text = agent.ask("read_kb", path=hit["citation"])["text"]
        for name in re.findall(r"^id: (\S+)", text, re.MULTILINE):
            done = agent.ask("simulate", scenario=agent.made(f"{hit['path']}#{name}", hit["path"], name))
            if done["held"] and kind in [event["type"] for event in done["events"]]:
                return {"held": done["held"], "state": done["orders"][0]["state"]}
    raise AssertionError("no example was found")


SOLUTIONS: Mapping[str, Solve] = {
    "refusal-of-a-create": _refusal_of_a_create,
    "bust-a-print": _bust_a_print,
    "replace-against-a-moving-order": _replace_against_a_moving_order,
    "cancel-that-comes-too-late": _cancel_that_comes_too_late,
    "block-order": _block_order,
    "allocation-in-parts": _allocation_in_parts,
    "whack-with-four-eyes": _whack_with_four_eyes,
    "correct-a-price": _correct_a_price,
    "take-the-cheaper-quote": _take_the_cheaper_quote,
    "the-order-at-a-quarter-past-ten": _the_order_at_a_quarter_past_ten,
    "a-limit-for-everybody": _a_limit_for_everybody,
    "try-before-you-book": _try_before_you_book,
    "many-orders": _many_orders,
    "open-quantity-by-symbol": _open_quantity_by_symbol,
    "what-the-documents-say": _what_the_documents_say,
    "work-an-order-through-children": _work_an_order_through_children,
    "expire-what-is-over": _expire_what_is_over,
    "the-line-dropped": _the_line_dropped,
    "one-name-two-orders": _one_name_two_orders,
    "prove-it-with-an-example": _prove_it_with_an_example,
}
"""Task -> its script."""
