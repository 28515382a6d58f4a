"""Helpers that call one another have millions of ways through them, of which few are followed."""

import pytest

from amorsize._function.files import file_uses, shared_files
from amorsize._function.sharing.thread_safety import examine

N_RULES = 7


def parser(tmp_path, writes):
    """A module of rules, each of which calls all of them."""
    calls = ", ".join(f"rule_{n}(node[{n}], path + {str(n)!r})" for n in range(N_RULES))
    rules = [f"def rule_{n}(node, path):\n  {writes}\n  return [{calls}]\n" for n in range(N_RULES)]
    code = "".join((*rules, "def parse(x):\n  return rule_0(x, 'of' + str(x))\n"))
    (tmp_path / "rules_of_a_parser.py").write_text(code)
    scope = {"__name__": "rules_of_a_parser"}
    exec(compile(code, str(tmp_path / "rules_of_a_parser.py"), "exec"), scope)
    return scope["parse"]


@pytest.fixture
def counted(monkeypatch):
    """How often a function was read for the names of its files."""
    counts = []
    read_names, paths = file_uses.read_names, shared_files._Reader._uses

    def counted_names(frame):
        counts.append("name")
        return read_names(frame)

    def counted_uses(reader, depth):
        counts.append("use")
        yield from paths(reader, depth)

    monkeypatch.setattr(file_uses, "read_names", counted_names)
    monkeypatch.setattr(shared_files._Reader, "_uses", counted_uses)
    return counts


def test_rules_that_write_files_are_read_a_few_hundred_times(tmp_path, counted):
    """Not a million times, which took minutes; what was not followed counts as shared."""
    parse = parser(tmp_path, "open(path + '.txt', 'w').close()")

    reach = examine(parse, [1, 2])[0]

    assert len(counted) < 500
    assert any("names several items share" in one for one in reach.bound)


def test_rules_that_only_read_files_are_no_reason(tmp_path, counted):
    """However many ways there are through them."""
    parse = parser(tmp_path, "open(path + '.txt').read()")

    reach = examine(parse, [1, 2])[0]

    assert len(counted) < 500
    assert not reach.bound
