"""Whether policies allow a call: the part of AWS's policy language that ours use, and an error for any other part.

Order of judgement as AWS documents it: an explicit Deny, then an explicit Allow, else an implicit deny.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

KNOWN = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}


class Decision(StrEnum):
    """What a set of policies says to one call."""

    ALLOW = "allow"
    DENY = "deny"
    NOTHING = "nothing"  # an implicit deny, unless another policy allows


@dataclass(frozen=True)
class Call:
    """One call: `action` such as s3:PutObject, the resource's ARN, and the condition keys that AWS would fill in."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


def evaluate(documents: Sequence[Mapping[str, Any]], call: Call) -> Decision:
    """What these policy documents say together. ValueError for an element or operator that is not known here."""
    decision = Decision.NOTHING
    for document in documents:
        for statement in _as_list(document["Statement"]):
            if not _applies(statement, call):
                continue
            if statement["Effect"] == "Deny":
                return Decision.DENY
            decision = Decision.ALLOW
    return decision


def _applies(statement: Mapping[str, Any], call: Call) -> bool:
    unknown = set(statement) - KNOWN
    if unknown or statement["Effect"] not in ("Allow", "Deny"):
        raise ValueError(f"this evaluator does not know {', '.join(unknown) or statement['Effect']}")
    if "Principal" in statement and statement["Principal"] not in ("*", {"AWS": "*"}):
        raise ValueError("this evaluator knows the principal * only")
    action = any(_like(call.action.lower(), pattern.lower()) for pattern in _as_list(statement["Action"]))
    resource = any(_like(call.resource, pattern) for pattern in _as_list(statement["Resource"]))
    return action and resource and _conditions_hold(statement.get("Condition", {}), call.context)


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    folded = {key.lower(): value for key, value in context.items()}
    for operator, keys in conditions.items():
        if operator not in OPERATORS:
            raise ValueError(f"this evaluator does not know the operator {operator}")
        for key, wanted in keys.items():
            if not OPERATORS[operator](folded.get(key.lower()), _as_list(wanted)):
                return False
    return True


def _like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _equals(value: str | None, wanted: list[Any]) -> bool:
    return value is not None and value in [str(one) for one in wanted]


def _bool(value: str | None, wanted: list[Any]) -> bool:
    return value is not None and value.lower() in [str(one).lower() for one in wanted]


def _null(value: str | None, wanted: list[Any]) -> bool:
    return str(value is None).lower() == str(wanted[0]).lower()


def _string_like(value: str | None, wanted: list[Any]) -> bool:
    return value is not None and any(_like(value, str(pattern)) for pattern in wanted)


OPERATORS: dict[str, Callable[[str | None, list[Any]], bool]] = {
    "StringEquals": _equals,
    # a key that is absent is not equal, so the negated operators hold without it, as in AWS
    "StringNotEquals": lambda value, wanted: not _equals(value, wanted),
    "StringLike": _string_like,
    "ArnLike": _string_like,
    "ArnEquals": _string_like,
    "Bool": _bool,
    "Null": _null,
}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
