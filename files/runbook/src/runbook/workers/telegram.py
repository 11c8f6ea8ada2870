"""A bot of Telegram: whose it is, who wrote to it, and whether it reaches a chat.

Facts: core.telegram.org/bots/api (getMe, getUpdates, sendMessage; updates are kept for 24 hours; a webhook and
getUpdates exclude each other: 409). The token is a part of each address, so no address is ever said.
"""

import re
from typing import Any

import httpx

from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret, one_line, register_secret

API = "https://api.telegram.org"
TOKEN = re.compile(r"^\d{5,16}:[A-Za-z0-9_-]{30,60}\Z")
CHAT = re.compile(r"^(-?\d{1,20}|@[A-Za-z]\w{3,40})\Z")
SECONDS = 20.0
REFUSED, CONFLICT, MISSING = 401, 409, 404
HELLO = "Alpha Harvester: alerts about your workers will come here."


class Bot:
    """A bot by its token. Raises ConfigError for what is no token, and for one that Telegram refuses."""

    def __init__(self, token: Secret) -> None:
        register_secret(token)
        if not TOKEN.match(token.get_secret_value()):
            raise ConfigError("That is no token of a bot. @BotFather writes it as 123456789:ABC..., in one line.")
        self._token = token
        self.name = str(self._call("getMe").get("username", ""))

    def chats(self) -> dict[str, str]:
        """Number -> name of each chat that wrote to the bot in the last 24 hours, the newest last."""
        found: dict[str, str] = {}
        for update in self._call("getUpdates"):
            for part in update.values():
                chat = part.get("chat") if isinstance(part, dict) else None
                if isinstance(chat, dict) and "id" in chat:
                    name = chat.get("title") or " ".join(filter(None, (chat.get("first_name"), chat.get("last_name"))))
                    found.pop(str(chat["id"]), None)
                    found[str(chat["id"])] = one_line(str(name or chat.get("username") or "no name"), 40)
        return found

    def choose(self, answer: str) -> str:
        """The chat that is answered, or the only one that wrote to the bot, after a first message to it.

        ConfigError where none or several wrote, and where the message is refused.
        """
        chat = answer
        if not chat:
            found = self.chats()
            if not found:
                raise ConfigError(
                    f"Nobody wrote to @{self.name} in the last 24 hours. Open t.me/{self.name} on your phone, press"
                    " Start or write a word, then press Enter here."
                )
            if len(found) > 1:
                named = ", ".join(f"{number} ({name})" for number, name in found.items())
                raise ConfigError(f"{len(found)} chats wrote to @{self.name}: {named}. Type the number of one.")
            [chat] = found
        elif not CHAT.match(chat):
            raise ConfigError(f"{chat!r} is no chat. It is a number, such as 12345 or -10012345, or empty.")
        self._call("sendMessage", chat_id=chat, text=HELLO)
        return chat

    def address(self, chat: str) -> Secret:
        """As a line of alert channels has it."""
        return Secret(f"tgram://{self._token.get_secret_value()}/{chat}")

    def _call(self, method: str, **form: str) -> Any:
        address = f"{API}/bot{self._token.get_secret_value()}/{method}"
        try:
            answer = httpx.post(address, data=form, timeout=SECONDS)
        except httpx.HTTPError as error:
            raise ConfigError(
                f"Telegram does not answer ({type(error).__name__}). Check this machine's way to api.telegram.org, then"
                " answer again."
            ) from None
        try:
            content = answer.json()
            if content["ok"] is True:
                return content["result"]
            said = one_line(str(content["description"]), 120)
        except (ValueError, KeyError, TypeError):
            said = "its answer is not Telegram's"
        if answer.status_code in (REFUSED, MISSING):
            raise ConfigError(
                "Telegram knows no bot of this token. Copy it from @BotFather again (/mybots, API Token)."
            )
        if answer.status_code == CONFLICT:
            raise ConfigError(
                "Another program takes this bot's messages (a webhook, or another reader), so its chats cannot be seen."
                " Type the chat's number, or make a bot of its own with @BotFather."
            )
        raise ConfigError(f"Telegram refused {method} ({answer.status_code}): {said}. Correct the answer.")
