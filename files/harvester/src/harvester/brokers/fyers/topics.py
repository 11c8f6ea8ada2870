"""What the data socket calls a symbol (its topics), from the broker's symbol master and its list of index names.

Source: the broker's Python SDK 3.2.0 (symbol_to_hsmtoken), API docs (fyToken).
"""

from collections.abc import Mapping

SEGMENTS = {
    "1010": "nse_cm",
    "1011": "nse_fo",
    "1012": "cde_fo",
    "1020": "nse_com",
    "1120": "mcx_fo",
    "1210": "bse_cm",
    "1211": "bse_fo",
    "1212": "bcs_fo",
}
"""Exchange and segment, the first four digits of a fyToken."""
TOKEN_AT = 10
INDEX = "-INDEX"


def topics_of(symbol: str, fy_token: str, index_names: Mapping[str, str]) -> list[str]:
    """Topics of a symbol: quotes and depth, or the value of an index; none in a segment that the socket lacks."""
    segment = SEGMENTS.get(fy_token[:4])
    if segment is None or len(fy_token) <= TOKEN_AT or not fy_token.isdigit():
        return []
    if symbol.endswith(INDEX):
        stem = symbol.partition(":")[2].removesuffix(INDEX)
        return [f"if|{segment}|{index_names.get(symbol, stem)}"]
    return [f"{kind}|{segment}|{fy_token[TOKEN_AT:]}" for kind in ("sf", "dp")]
