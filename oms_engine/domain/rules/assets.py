"""Which asset class does an order belong to?"""

import re

from oms_engine.domain.model import NewOrder
from oms_engine.domain.vocabulary import AssetClass, SecurityType, Side

CURRENCIES = frozenset(
    (  # noqa: SIM905 - a list of codes reads better as words
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
        "CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD "
        "HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD "
        "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN "
        "PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY "
        "TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
    ).split()
)
"""Currency codes of ISO 4217 that name money in circulation."""

DIGITAL_ASSETS = frozenset(
    (  # noqa: SIM905 - a list of codes reads better as words
        "ADA ALGO ATOM AVAX BCH BTC DAI DOGE DOT ETC ETH FIL LINK LTC NEAR SOL TRX UNI USDC USDT XLM XMR XRP XTZ"
    ).split()
)

_BY_SECURITY_TYPE = {
    SecurityType.CS: AssetClass.EQUITY,
    SecurityType.ETF: AssetClass.EQUITY,
    SecurityType.ETN: AssetClass.EQUITY,
    SecurityType.FUT: AssetClass.DERIVATIVE,
    SecurityType.OPT: AssetClass.DERIVATIVE,
    SecurityType.MF: AssetClass.FUND,
    SecurityType.CORP: AssetClass.STRUCTURED_PRODUCT,
}
_EQUITY_SYMBOL = re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,2})?")
_PAIR = re.compile(r"([A-Z]{3})/([A-Z]{3})")


def classify(order: NewOrder) -> AssetClass:
    """The asset class given, else the one that security type, side or symbol tell, first match wins."""
    symbol = order.symbol or ""
    pair = _PAIR.fullmatch(symbol)
    if order.asset_class:
        return order.asset_class
    if order.security_type:
        return _BY_SECURITY_TYPE[order.security_type]
    if order.side in {Side.SUBSCRIBE, Side.REDEEM}:
        return AssetClass.FUND
    if pair and set(pair.groups()) <= CURRENCIES:
        return AssetClass.FX_MONEY_MARKET
    if DIGITAL_ASSETS.intersection(re.split(r"[/-]", symbol)):
        return AssetClass.DIGITAL_ASSET
    return AssetClass.EQUITY if _EQUITY_SYMBOL.fullmatch(symbol) else AssetClass.GENERIC
