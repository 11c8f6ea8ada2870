"""Ansible's expressions, compiled once a process: half of the time of tests that render many."""

from typing import Any

from ansible._internal._templating import _jinja_bits


def keep_compiled() -> None:
    """A variable's text is compiled once, not by every task that reads it."""
    environment, context = _jinja_bits.AnsibleEnvironment, _jinja_bits._TemplateCompileContext
    compile_source, kept = environment.compile, {}

    def compile_once(self: Any, source: Any, *where: Any, **options: Any) -> Any:
        if not isinstance(source, str):
            return compile_source(self, source, *where, **options)
        escaping = context.current(optional=True)
        read_as = (self.block_start_string, self.variable_start_string, self.trim_blocks, self.lstrip_blocks)
        key = (str(source), where, *options.items(), escaping and escaping.escape_backslashes, *read_as)
        if key not in kept:
            kept[key] = compile_source(self, source, *where, **options)
        return kept[key]

    environment.compile = compile_once
