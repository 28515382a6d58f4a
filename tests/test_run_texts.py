"""What a text changes that code runs by `eval` or `exec` would be lost in a worker."""

import pytest

from amorsize._function.sharing.thread_safety import examine

CHANGING = {
    "statement": "exec('global TOTAL; TOTAL += 1')",
    "statement in another branch": "exec('SEEN.append(x)') if x == 40 else None",
    "text of a file": "exec(open('rules.txt').read())",
    "compiled": "exec(CODE) if x == 40 else None",
    "names of the module": "exec('TOTAL = 2', globals())",
    "a kept table of names": "exec('total = 1', NAMES)",
    "what a table of names holds": "exec('seen.append(1)', {'seen': SEEN})",
    "expression": "eval('SEEN.append(x)') if x == 40 else None",
    "one of several expressions": "eval(RULES['b' if x == 40 else 'a'])",
    "an expression of any names": "eval(f'{x} + 1')",
    "expressions handed on": "list(map(eval, [str(x)]))",
    "what a kept table holds": "eval('seen.append(1)', HELD)",
}
COMPUTING = {
    "expression of numbers": "eval('x * 2')",
    "table of expressions": "eval(RULES['a'])",
    "names of its own": "eval(f'y + {x}', {'__builtins__': {}}, {'y': x})",
    "statement with names of its own": "exec('def g(a): return a', {})",
    "kept table of numbers": "eval('rate * 2', NUMBERS)",
}
STATE = "TOTAL, SEEN, CODE = 0, [], compile('SEEN.append(1)', 'code', 'exec')\n"
TABLES = "NAMES, HELD, NUMBERS = {}, {'seen': SEEN}, {'rate': 2}\n"


def running(text, rules="{'a': 'x + 1', 'b': 'SEEN.append(x)'}"):
    """A function of a module that has something which can change."""
    scope = {"__name__": "module_that_runs_texts"}
    exec(f"{STATE}{TABLES}RULES = {rules}\ndef f(x):\n    return {text}\n", scope)
    return scope["f"]


@pytest.mark.parametrize("text", CHANGING.values(), ids=CHANGING)
def test_what_a_text_may_change_keeps_items_in_the_caller(text):
    """A worker would lose it; the first items, which are watched, may not come there."""
    assert examine(running(text), [1, 2])[0].changed


@pytest.mark.parametrize("text", COMPUTING.values(), ids=COMPUTING)
def test_a_text_that_names_nothing_that_changes_is_no_reason(text):
    """Nor is one that has all its names from a dict made there."""
    assert not examine(running(text, "{'a': 'x + 1'}"), [1, 2])[0].changed
