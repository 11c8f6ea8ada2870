"""A stand-in of Telegram's Bot API for getMe, getUpdates and sendMessage.

What it assumes is from core.telegram.org/bots/api: "Making requests" (ok, result, error_code, description), Update,
Chat, getUpdates (kept for 24 hours, 409 beside a webhook), sendMessage (400 "Bad Request: chat not found"). A token
that was revoked is answered with 401 Unauthorized, one that is none with 404.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lab.drive.answers import Answer, of

HOST = "api.telegram.org"
PATH = re.compile(r"/bot(\d+:[A-Za-z0-9_-]+)/(\w+)\Z")


@dataclass
class Telegram:
    """One bot. `chats` wrote to it, each as the Chat of an update; `sent` is what it said, by chat."""

    token: str = field(default_factory=lambda: f"123456789:{secrets.token_urlsafe(26)}")
    name: str = "worker_alerts_bot"
    chats: list[dict[str, Any]] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    webhook: bool = False
    garbled: bool = False
    """A proxy in between answers in its place."""

    def answer(self, method: str, address: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer a request."""
        del method, headers
        if self.garbled:
            return Answer(502, b"<html>Bad Gateway</html>")
        match = PATH.match(urlsplit(address).path)
        if match is None:
            return _refused(404, "Not Found")
        if match[1] != self.token:
            return _refused(401, "Unauthorized")
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if match[2] == "getMe":
            return _done({"id": 123456789, "is_bot": True, "first_name": "Alerts", "username": self.name})
        if match[2] == "getUpdates":
            return self._updates()
        if match[2] == "sendMessage":
            return self._send(form)
        return _refused(404, "Not Found")

    def _updates(self) -> Answer:
        if self.webhook:
            return _refused(409, "Conflict: can't use getUpdates method while webhook is active")
        return _done(
            [
                {"update_id": 7 + number, "message": {"message_id": number, "date": 1, "chat": chat, "text": "/start"}}
                for number, chat in enumerate(self.chats)
            ]
        )

    def _send(self, form: dict[str, str]) -> Answer:
        if form["chat_id"] not in {str(chat["id"]) for chat in self.chats}:
            return _refused(400, "Bad Request: chat not found")
        self.sent.append((form["chat_id"], form["text"]))
        return _done({"message_id": len(self.sent)})


def _done(result: object) -> Answer:
    return of({"ok": True, "result": result})


def _refused(code: int, description: str) -> Answer:
    return of({"ok": False, "error_code": code, "description": description}, code)
