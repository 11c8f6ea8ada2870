"""The options of each `harvester` command as text: scripts, units and people type them, so a change is a decision.

`python -m tests.commands.options` writes options.txt anew; list in CHANGELOG.md what changes for who types them.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from harvester.cli import COMMANDS, _module

ACCEPTED = Path(__file__).with_name("options.txt")
PLAIN = {"_StoreAction": "", "_StoreTrueAction": "switch", "_AppendAction": "repeatable"}


def describe_all() -> str:
    """A paragraph for each command."""
    return "\n".join("\n".join([f"{name}", *_describe(_parser_of(name))]) + "\n" for name in COMMANDS)


def _parser_of(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, add_help=False)
    _module(name).add_arguments(parser)
    return parser


def _describe(parser: argparse.ArgumentParser, indent: str = "  ") -> Iterator[str]:
    """Lines of a parser: its epilog, its options, those of its actions, and which exclude each other."""
    if parser.epilog:
        yield f"{indent}epilog: {parser.epilog}"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            need = "required" if action.required else "optional"
            yield f"{indent}{action.metavar} ({action.dest}, {need})"
            helps = {each.dest: each.help for each in action._choices_actions}
            for name, child in action.choices.items():
                yield f"{indent}  {name}: {helps.get(name)}"
                yield from _describe(child, f"{indent}    ")
        elif not isinstance(action, argparse._HelpAction):
            yield f"{indent}{_option(action)}"
    for group in parser._mutually_exclusive_groups:
        names = " | ".join(_name(each) for each in group._group_actions)
        yield f"{indent}one of {names}{', required' if group.required else ''}"


def _name(action: argparse.Action) -> str:
    return " ".join(action.option_strings) or action.dest


def _option(action: argparse.Action) -> str:
    facts = {
        "kind": PLAIN.get(type(action).__name__, type(action).__name__),
        "as": action.dest,
        "shown": action.metavar,
        "takes": getattr(action.type, "__name__", None),
        "count": action.nargs if action.nargs != 0 else None,
        "of": list(action.choices) if action.choices else None,
        "default": None if action.default in (None, False) else str(action.default),
        "required": (action.required and bool(action.option_strings)) or None,
    }
    words = ", ".join(f"{key} {value}" for key, value in facts.items() if value)
    return f"{_name(action)} ({words}): {action.help}"


if __name__ == "__main__":
    ACCEPTED.write_text(describe_all(), encoding="utf-8")
