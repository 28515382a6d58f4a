"""`amorsize completion`: a script by which a shell completes the command line."""

from __future__ import annotations

import argparse

from amorsize.cli.command import Answer, Command

SHELLS = ("bash", "zsh", "fish")
#: Metavars of arguments that are file names, or may begin with one.
_FILES = ("FILE", "TRACE", "FUNC")


def _completion(asked: argparse.Namespace) -> Answer:
    import shtab

    whole: argparse.ArgumentParser = asked.parser()  # of all commands
    _name_files(whole, shtab.FILE)
    script = shtab.complete(whole, asked.shell)
    return Answer(document={"shell": asked.shell, "script": script}, blocks=[script])


def _name_files(parser: argparse.ArgumentParser, completing: object) -> None:
    """Say of each argument that is a file that it is one."""
    for action in parser._actions:
        if action.metavar in _FILES:
            action.complete = completing  # type: ignore[attr-defined]  # where shtab looks
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _name_files(below, completing)


COMMANDS = (
    Command(
        words=("completion",),
        help="print a script that has your shell complete commands and options",
        run=_completion,
        arguments=[(("shell",), {"choices": SHELLS, "help": "for which shell"})],
        epilog=(
            "examples:\n"
            '  eval "$(amorsize completion bash)"          in ~/.bashrc\n'
            '  eval "$(amorsize completion zsh)"           in ~/.zshrc, after compinit\n'
            "  amorsize completion fish > ~/.config/fish/completions/amorsize.fish"
        ),
    ),
)
