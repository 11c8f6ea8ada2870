"""Answers from a file are held to the same form as typed ones, to the last character."""

import pytest

from harvester.base.errors import ConfigError
from runbook.aws.questions import QUESTIONS

GOOD = {
    "region": "ap-south-1",
    "environment": "production",
    "app_id": "ABCDE12345-100",
    "email": "me@example.org",
    "connection": "ssh",
    "source": "203.0.113.7/32",
}


@pytest.mark.parametrize("key", GOOD)
@pytest.mark.parametrize("more", ["\n", " ", "\nx"])
def test_nothing_may_follow_an_answer(key: str, more: str) -> None:
    (question,) = (each for each in QUESTIONS if each.key == key)

    with pytest.raises(ConfigError):
        question.check(GOOD[key] + more, {**GOOD, "profile": ""})
