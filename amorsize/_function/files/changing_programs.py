"""Tells which files the programs change that code starts: `cp report.txt latest.txt`."""

from __future__ import annotations

from amorsize._function.callables import MISSING
from amorsize._function.files.name_parts import (
    PATH,
    TEXT,
    UNKNOWN,
    Part,
    constant,
    pieces_of,
    together,
)
from amorsize._function.library.changes import SHELLS, STARTING
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Use = tuple[str, Part]

#: Programs that write to the last file they are given, and those that change all of them.
_LAST = {"cp", "mv", "ln", "install", "rsync", "scp", "ffmpeg", "convert", "magick", "sox", "cwebp"}
_ALL = {
    *("touch", "rm", "rmdir", "truncate", "shred", "unlink", "gzip", "gunzip", "bzip2", "bunzip2"),
    *("xz", "unxz", "zstd", "dos2unix"),
}
#: Those that change all but the first, and those that change the first one alone.
_ALL_BUT_FIRST = {"chmod", "chown", "chgrp", "setfacl"}
_FIRST = {"zip", "mkfifo", "sqlite3"}
#: What git does with a lock on its index.
_OF_GIT = {
    *("add", "commit", "checkout", "switch", "restore", "reset", "rm", "mv", "merge", "rebase"),
    *("pull", "stash", "tag", "branch", "cherry-pick", "revert", "apply", "am", "init", "config"),
}
#: Those that print what is in their files.
_READING = {"cat", "head", "tail", "wc", "grep", "sort", "uniq", "cut", "awk", "stat"}
#: Options that are followed by the name of a file which most programs write.
_OUTPUT = {"-o", "-O", "--output", "--output-document", "--out"}
#: Programs whose option of such a name says something else.
_OTHER_OUTPUT = {
    *("grep", "egrep", "fgrep", "zgrep", "rg", "ps", "ssh", "scp", "sftp", "mount", "ls", "lsblk"),
    *("find", "set", "bash", "sh", "zsh", "xargs", "kubectl", "az", "oc", "yt-dlp", "python"),
    "python3",
}
#: Words before the name of a program.
_BEFORE = {"sudo", "nice", "nohup", "time", "exec", "env", "command", "then", "do", "else", "!"}
#: The characters of the shell's operators, such as `|`, `&&` and `>`.
_SIGNS = "();<>|&"
#: Stands in a text for its first unknown part; the character after it stands for the second.
_MARK = 0xE000


def files_of_programs(name: str, at: Callable[[int, str], Part]) -> Iterator[Use]:
    """What programs do to which files, if a function starts some.

    Args:
        name: Its public name.
        at: Gives an argument by its place, or its name.
    """
    if name not in SHELLS and name not in STARTING:
        return
    command, folder = at(0, "args"), at(-1, "cwd")
    words = _words_of(command)
    if name in SHELLS or at(-1, "shell").known is True:
        found = _in_shell(command)
    elif len(words) > 2 and _program(words[0]) in ("sh", "bash", "zsh") and "c" in _flags(words[1]):
        found = _in_shell(words[2])
    else:
        found = _files_of(words)
    for use, part in found:
        yield use, _in_folder(folder, part)


def _words_of(command: Part) -> list[Part]:
    """The words of a command that is no text for a shell."""
    if type(command.known) in (list, tuple):
        return [constant(one) for one in command.known]
    return list(command.parts)


def words_of_text(text: Part) -> tuple[Part, ...]:
    """What `shlex.split` gives of a text."""
    marked, held = _marked(text)
    return tuple(_word(one, held) for one in _tokens(marked, ""))


def _in_folder(folder: Part, part: Part) -> Part:
    """A file as seen from another folder than the program's."""
    if not folder.tags or (type(part.known) is str and part.known.startswith("/")):
        return part
    return together(folder, part)


def _marked(text: Part) -> tuple[str, list[Part]]:
    """A text with a mark for each part that is not known, and these parts."""
    marked = ""
    held: list[Part] = []
    for piece in pieces_of(text):
        if type(piece.known) in (str, int):
            marked += str(piece.known)
        else:
            marked += chr(_MARK + len(held))
            held.append(piece)
    return marked, held


def _tokens(marked: str, signs: str = _SIGNS) -> list[str]:
    import shlex

    reader = shlex.shlex(marked, posix=True, punctuation_chars=signs or False)
    reader.whitespace_split, reader.commenters = True, ""
    try:
        return list(reader)
    except ValueError:  # a quotation without an end
        return []


def _word(text: str, held: list[Part]) -> Part:
    """A word of a command; a shell's variable may be anything."""
    parts = [held[ord(one) - _MARK] for one in text if 0 <= ord(one) - _MARK < len(held)]
    if "$" in text.replace("$HOME", "").replace("$PWD", ""):
        return UNKNOWN
    if not parts:
        return constant(text)
    return parts[0] if len(parts) == len(text) == 1 else together(*parts, kind=TEXT)


def _in_shell(text: Part) -> Iterator[Use]:
    """What the commands of a text for a shell do."""
    marked, held = _marked(text)
    folder = Part()
    for words, redirected in _commands(marked.replace("\n", " ; ").replace("`", " ; ")):
        command = [_word(one, held) for one in words]
        if words[:1] == ["cd"]:
            folder = together(folder, *command)
        targets = [(use, _word(one, held)) for use, one in redirected]
        for use, part in (*targets, *_files_of(command)):
            yield use, _in_folder(folder, part)


def _commands(marked: str) -> Iterator[tuple[list[str], list[tuple[str, str]]]]:
    """The words of each command, with its redirections."""
    words: list[str] = []
    redirected: list[tuple[str, str]] = []
    tokens = iter(_tokens(marked))
    for token in tokens:
        if not set(token) <= set(_SIGNS):
            words.append(token)
            continue
        is_redirection = not {*"<>"}.isdisjoint(token) and "(" not in token
        if not is_redirection or ")" in token:
            yield words, redirected
            words, redirected = [], []
        if is_redirection:
            target = next(tokens, "")
            if words and words[-1].isdigit():
                words.pop()
            if not (token.endswith("&") and target.isdigit()) and "<<" not in token:
                redirected.append((_use_of(token), target))
    yield words, redirected


def _use_of(redirection: str) -> str:
    return ADDS if ">>" in redirection else CHANGES if ">" in redirection else LOOKS


def _files_of(words: list[Part]) -> Iterator[Use]:
    """What one command does, by the program and its arguments."""
    words = [*_from_program(words)]
    program = _program(words[0]) if words else ""
    options = [one.known for one in words[1:] if _is_option(one)]
    files = [one for one in words[1:] if not _is_option(one)]
    if program not in _OTHER_OUTPUT:
        yield from ((CHANGES, one) for one in _outputs(words))
    if program in _READING:
        yield from ((LOOKS, one) for one in files)
    elif program == "tee":
        use = ADDS if any("a" in _flags(constant(one)) for one in options) else CHANGES
        yield from ((use, one) for one in files)
    elif program == "tar":
        yield from ((CHANGES, one) for one in _archives(words))
    elif program == "dd":
        yield from ((CHANGES, _behind(one, "of=")) for one in files if _begins(one, "of="))
    elif program in ("sed", "perl"):
        is_in_place = any("i" in _flags(constant(one)) or "in-place" in one for one in options)
        yield from ((CHANGES, one) for one in files[1:] if is_in_place)
    elif program in _LAST and len(files) > 1:
        yield CHANGES, _destination(files)
    elif program == "git":
        yield from _of_git(words[1:])
    elif program == "mkdir" and "-p" not in options:
        yield from ((CHANGES, one) for one in files)
    else:
        first, last = _CHANGED.get(program, (0, 0))
        yield from ((CHANGES, one) for one in files[first:last])


def _of_git(words: list[Part]) -> Iterator[Use]:
    """What git does to the files in which it keeps all of a folder, and which it locks."""
    folder = Part()
    while words and _is_option(words[0]):
        folder = words[1] if words[0].known == "-C" and len(words) > 1 else folder
        words = words[2 if words[0].known in ("-C", "-c") else 1 :]
    if words and words[0].known in _OF_GIT:
        yield CHANGES, _in_folder(folder, constant(".git"))


#: The places of the files that other programs change.
_CHANGED: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(_ALL, (0, None)),
    **dict.fromkeys(_ALL_BUT_FIRST, (1, None)),
    **dict.fromkeys(_FIRST, (0, 1)),
}


def _from_program(words: list[Part]) -> Iterable[Part]:
    """A command without what may stand before the program's name."""
    for at, word in enumerate(words):
        text = word.known if type(word.known) is str else ""
        is_setting = "=" in text.split("/")[0]
        if text not in _BEFORE and not is_setting:
            return words[at:]
    return ()


def _program(word: Part) -> str:
    return str(word.known).rpartition("/")[2] if type(word.known) is str else ""


def _is_option(word: Part) -> bool:
    return type(word.known) is str and word.known[:1] in ("-", "+") and len(word.known) > 1


def _flags(word: Part) -> str:
    """The letters of an option like `-xvf`."""
    text = word.known if type(word.known) is str else ""
    return text[1:].partition(".")[0] if text[:1] == "-" and text[:2] != "--" else ""


def _outputs(words: list[Part]) -> Iterator[Part]:
    """What follows an option for the output, if it looks like a file's name."""
    for at, word in enumerate(words[1:]):
        option = words[at].known
        if type(option) is str and option in _OUTPUT:
            text = word.known if type(word.known) is str else "."
            if ("." in text or "/" in text) and "%" not in text:
                yield word


def _archives(words: list[Part]) -> Iterator[Part]:
    """The archive that tar makes or adds to."""
    options = words[1:2] + [one for one in words[2:] if _is_option(one)]
    texts = [str(one.known) for one in options if one.known is not MISSING]
    letters = "".join(one for one in texts if one[:2] != "--")
    if {*"cruA"}.isdisjoint(letters) and {"--create", "--append", "--update"}.isdisjoint(texts):
        return
    for option, word in zip(words[1:], [*words[2:], Part()], strict=True):
        text = option.known if type(option.known) is str else ""
        if text.startswith("--file="):
            yield _behind(option, "--file=")
        elif text == "--file" or (option in options and text[:2] != "--" and text[-1:] == "f"):
            yield word


def _begins(word: Part, text: str) -> bool:
    first = pieces_of(word)[0].known
    return type(first) is str and first.startswith(text)


def _behind(word: Part, text: str) -> Part:
    """What follows a text with which a word begins."""
    return constant(word.known[len(text) :]) if type(word.known) is str else word


def _destination(files: list[Part]) -> Part:
    """The last argument; if that is a folder, a file in it with the name of what is copied."""
    *sources, last = files
    is_folder = type(last.known) is str and (last.known.endswith("/") or last.known == ".")
    return together(last, *sources, kind=PATH) if is_folder else last
