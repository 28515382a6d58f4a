"""The list of commands that `amorsize --help` prints, in groups."""

from __future__ import annotations

import argparse

#: Every command at the top, under what people want when they look for it.
GROUPS = {
    "run a function": ("run", "report"),
    "find the best way to run it": ("optimize", "tune", "compare"),
    "see what was learned": ("explain", "history", "cache"),
    "look at the machine": ("machine", "validate", "simulate"),
    "set up": ("completion",),
}


class GroupedFormatter(argparse.RawDescriptionHelpFormatter):
    """Prints the commands of a parser under headings, where argparse prints one list."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        by_word = {one.dest: one for one in action._get_subactions()}
        title_indent = " " * self._current_indent
        parts = []
        self._indent()
        for title, words in GROUPS.items():
            listed = [super(GroupedFormatter, self)._format_action(by_word[one]) for one in words]
            parts.append(f"{title_indent}{title}:\n{''.join(listed)}")
        self._dedent()
        return "\n".join(parts)
