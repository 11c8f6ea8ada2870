"""token-page: from the link in a message, over the broker's login on a phone, to a stored token.

Called through its own public URL, so the code is the guard: see harvester.page.service.
"""

from collections.abc import Mapping
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.base.redaction import redact
from harvester.page.function import open_page
from harvester.page.html import HEADERS, page
from harvester.page.service import MOST_QUERY, NOT_FOUND, handle

WAYS_IN = {"/login": "l=", "/callback": "state="}


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of a function URL (payload 2.0)."""
    query = str(event.get("rawQueryString") or "")
    wanted = WAYS_IN.get(str(event.get("rawPath")))
    if wanted is None or wanted not in query or len(query) > MOST_QUERY:
        return NOT_FOUND  # most of what knocks at a public address, turned away before anything is read
    try:
        service = open_page(str(event["requestContext"]["domainName"]))
    except HarvesterError as error:
        print(redact(f"not ready: {error}"))
        text = "The page cannot reach its store. Try again in a minute, or log in with ./inv token-push."
        return {"statusCode": 503, "headers": HEADERS, "body": page("Not now", text, good=False)}
    return handle(event, service)
