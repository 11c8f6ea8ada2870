"""The source of a cell: Python between magics. Offsets are found by Python tokens, never by guesses at lines."""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = re.compile(r"(\s*)([%!?].*|[^#\"']*[^#\"'\s]\?{1,2}\s*)\Z")
ASSIGNED = re.compile(r"(\s*[A-Za-z_][\w, .\[\]]*=\s*)[%!](?!=).*\Z")
PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")
"""Cell magics after whose line the cell is Python; after any other it is another language's."""
END = {tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER}
SKIPPED = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT}


class Literal(NamedTuple):
    """A number that a name is given: `name = 5`, `f(name=5)`, `name: int = 5`, `{"name": 5}`; where in the source."""

    name: str
    text: str
    begin: int
    end: int


def cell_magic(source: str) -> str:
    """The word after %% where a cell begins with one; else ""."""
    first = source.lstrip().split("\n", 1)[0]
    return first.split()[0] if first.startswith("%%") else ""


def as_python(source: str) -> str | None:
    """The same lines with each magic replaced by a statement that does nothing; None for a cell that is not Python."""
    if _is_python(source):
        return source
    magic = cell_magic(source)
    if magic and magic not in PYTHON_CELLS:
        return None
    lines, going_on = [], False
    for line in source.split("\n"):
        match, assigned = MAGIC.match(line), ASSIGNED.match(line)
        if going_on:
            lines.append("")
        elif match:
            lines.append(f"{match[1]}pass")
        elif assigned:
            lines.append(f"{assigned[1]}None")
        else:
            lines.append(line)
            continue
        going_on = line.rstrip().endswith("\\")
    return "\n".join(lines)


def compiles(source: str) -> bool:
    """Whether a cell is Python that compiles, its magics aside; a cell of another language counts as such."""
    code = as_python(source)
    return code is None or _is_python(code)


def _is_python(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings
            compile(code, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def literals(source: str) -> Iterator[Literal]:
    """Each number that stands alone behind a name. Nothing of a cell that is not Python, or does not compile."""
    code = as_python(source)
    if code is None or not compiles(source) or "\r" in source.replace("\r\n", ""):
        return  # a lone carriage return ends a line for Python, and none for Jupyter
    starts = _line_starts(source)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code, newline="").readline))
    except (tokenize.TokenError, SyntaxError):
        return
    tokens = [token for token in tokens if token.type not in SKIPPED or token.type == tokenize.COMMENT]
    for number, token in enumerate(tokens):
        if token.type != tokenize.NUMBER or not _ends(tokens[number + 1]):
            continue
        if name := _name_before(tokens[:number][-4:]):
            begin = starts[token.start[0] - 1] + token.start[1]
            yield Literal(name, token.string, begin, begin + len(token.string))


def _line_starts(source: str) -> list[int]:
    starts, at = [], 0
    for line in source.split("\n"):
        starts.append(at)
        at += len(line) + 1
    return starts


def _ends(token: tokenize.TokenInfo) -> bool:
    return token.type in END or token.string in (",", ")", "}", "]", ";")


def _name_before(tokens: list[tokenize.TokenInfo]) -> str:
    """The name that is given the number after these tokens."""
    words = [token.string for token in tokens]
    if len(words) >= 2 and words[-1] == "=" and tokens[-2].type == tokenize.NAME:
        if len(words) >= 4 and words[-3] == ":" and tokens[-4].type == tokenize.NAME:
            return words[-4]  # name: type = number
        return words[-2]
    if len(words) >= 2 and words[-1] == ":" and tokens[-2].type == tokenize.STRING:
        return words[-2].strip("'\"")
    return ""


def replaced(source: str, changes: list[tuple[Literal, str]]) -> str:
    """The source with other texts in the places of these numbers; everything else stays as it is."""
    for literal, text in sorted(changes, key=lambda change: change[0].begin, reverse=True):
        source = source[: literal.begin] + text + source[literal.end :]
    return source
