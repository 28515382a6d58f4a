"""A helper that changes what is shared is read, whatever way its call takes to it.

As a default, a bound argument, a keyword, an element of a table, what a factory has made; called by
the code itself or by a function that it is handed to; with arguments one by one or unpacked.
"""

import collections
import concurrent.futures
import functools
import heapq
import itertools
import operator
import time
import types
import typing

import pytest

from amorsize import tuned_map
from amorsize._function.sharing.thread_safety import examine

TAGS: list[object] = []
STATE = {"name": "x", "limit": 9, "tags": TAGS, "counts": {}}


class Counter:
    def __init__(self):
        self.n = 0
        self.seen = []

    def see(self, x, note=None):
        if x == 40:
            (note or put)(x, self.seen)
        return x

    def all_seen(self):
        return self.seen


COUNTER = Counter()


def put(x, into):
    if x == 40:
        into.append(x)
    return x


def put_first(into, x):
    return put(x, into)


def put_pair(pair):
    return put(pair[1], pair[0])


def count(x, counter):
    if x == 40:
        counter.n += 1
    return x


def is_known(x, into):
    return x in into


def run(f, *args, **options):
    return f(*args, **options)


def put_last(*args):
    return put(args[0], args[-1])


def put_named(**options):
    return put(options["x"], options["into"])


def logged(f):
    def wrapper(*args, **options):
        return f(*args, **options)

    return wrapper


def retried(f):
    @functools.wraps(f)
    def wrapper(first, *others):
        return f(first, *others)

    return wrapper


put_logged, put_retried = logged(put), retried(put)
HANDLERS = {"look": is_known, "put": put}
STEPS = [is_known, put]
TABLE = [(1, is_known), (2, put)]
PREPARED = functools.partial(put, into=TAGS)
SPACE = types.SimpleNamespace(put=put, tags=TAGS)


def with_attributes(x):
    return with_attributes.put(x, with_attributes.tags)


with_attributes.put, with_attributes.tags = put, TAGS


def closed_over():
    seen = []

    def note(x, into):
        if x == 40:
            into.append(x)

    return (
        lambda x: note(x, seen),
        lambda x, note=note: note(x, seen),
        functools.partial(lambda x, note, seen: note(x, seen), note=note, seen=seen),
    )


def table_of_two(x):
    by_key = HANDLERS[STATE["name"]]
    return by_key(x, TAGS)


def each_step(x):
    return [step(x, TAGS) for step in STEPS]


def each_row(x):
    return [step(x, TAGS) for _, step in TABLE]


def prepared_here(x):
    return functools.partial(put, x)(TAGS)


def prepared_and_handed_on(x):
    return run(functools.partial(put, into=TAGS), x)


class Slotted:
    __slots__ = ("into", "put")

    def __init__(self, put, into):
        self.put, self.into = put, into

    def mapped(self, x):
        return self.put(x, self.into)


class Pair(typing.NamedTuple):
    put: typing.Any
    into: typing.Any


class Registry:
    table: typing.ClassVar = {"look": is_known, "put": put}

    def mapped(self, x):
        return self.table["put"](x, TAGS)


SLOTTED, PAIR, QUEUE = Slotted(put, TAGS), Pair(put, TAGS), collections.deque(STEPS)
VIEW = types.MappingProxyType(HANDLERS)


@functools.singledispatch
def put_any(x, into):
    return x


@put_any.register
def _(x: int, into):
    return put(x, into)


def chosen(name):
    return HANDLERS[name]


def handed_back(value):
    return value


def chosen_before(x):
    step = put if x else is_known
    if x:  # noqa: SIM108 - as people write it
        one = put
    else:
        one = is_known
    return step(x, []), one(x, TAGS)


def tried_before(x):
    try:
        one = put
    except ValueError:
        one = is_known
    return one(x, TAGS)


def in_a_pool(x):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return list(pool.map(put, [x], [TAGS]))


def one_after_the_other(x):
    return [put(x, into) for into in itertools.chain([TAGS], [[]])]


MODULES = {"first": (operator, "late"), "second": (heapq, "late")}


def set_there(pairs, x):
    for module, name in pairs:
        setattr(module, name, x)


def set_on(module, x):
    module.late = x


def of_what_a_method_gives(x):
    if x == 40:
        COUNTER.all_seen().append(x)


TO_HELPERS = {
    "default": lambda x, put=put: put(x, TAGS),
    "default with a default": lambda x, put=put, into=TAGS: put(x, into),
    "named default": lambda x, *, put=put: put(x, TAGS),
    "default method": Counter().see,
    "object as a default": lambda x, counter=COUNTER: count(x, counter),
    "bound": functools.partial(lambda x, put, into: put(x, into), put=put, into=TAGS),
    "bound by place": functools.partial(lambda put, into, x: put(x, into), put, TAGS),
    "bound and unpacked": logged(PREPARED),
    "bound pair": functools.partial(lambda x, pair: pair[0](x, pair[1]), pair=(put, TAGS)),
    "pair as a default": lambda x, pair=(put, TAGS): pair[0](x, pair[1]),
    "unpacked pair": lambda x, rows=((put, TAGS),): [f(x, into) for f, into in rows],
    "pair of a closure": (lambda pair: lambda x: pair[0](x, pair[1]))((put, TAGS)),
    "dict of a closure": (lambda d: lambda x: d["f"](x, d["into"]))({"f": put, "into": TAGS}),
    "second in a dict": table_of_two,
    "got from a dict": lambda x: HANDLERS.get("put")(x, TAGS),
    "second in a list": each_step,
    "second in a table": each_row,
    "helper in a table": lambda x, rows=((1, PREPARED),): [f(x) for _, f in rows],
    "attribute": lambda x: SPACE.put(x, SPACE.tags),
    "attribute of the function": with_attributes,
    "second value": lambda x: put(x, STATE["tags"]),
    "second value of a default": lambda x, pair=(1, TAGS): put(x, pair[1]),
    "closure": closed_over()[0],
    "closure and default": closed_over()[1],
    "closure and bound": closed_over()[2],
    "factory": lambda x: put_logged(x, TAGS),
    "factory that wraps": lambda x: put_retried(x, TAGS),
    "any arguments": lambda x: put_last(x, 1, TAGS),
    "any options": lambda x: put_named(x=x, into=TAGS),
    "handed on": lambda x: run(put, x, TAGS),
    "handed on by name": lambda x: run(put, x=x, into=TAGS),
    "unpacked": lambda x, rest=(TAGS,): put(x, *rest),
    "unpacked options": lambda x, options={"into": TAGS}: put(x, **options),
    "unpacked nothing": lambda x: run(put, x, *(), TAGS, **{}),
    "pair made there": lambda x: put_pair((TAGS, x)),
    "map": lambda x, put=put: list(map(put, [x], [TAGS])),
    "starmap": lambda x: list(itertools.starmap(put, [(x, TAGS)])),
    "filter": lambda x: list(filter(lambda one: put(one, TAGS), [x])),
    "reduce": lambda x, f=put_first: functools.reduce(f, [x], TAGS),
    "reduce with a lambda": lambda x: functools.reduce(lambda a, b: put(b, a), [x], TAGS),
    "accumulate": lambda x: list(itertools.accumulate([x], put_first, initial=TAGS)),
    "key": lambda x, key=PREPARED: sorted([x], key=key),
    "key made there": lambda x: max([x], key=functools.partial(put, into=TAGS)),
    "prepared there": prepared_here,
    "prepared and handed on": prepared_and_handed_on,
    "what a method gives": of_what_a_method_gives,
    "attribute of a module": lambda x: set_on(heapq, x),
    "attribute of modules in a table": lambda x: set_there(MODULES.values(), x),
    "attribute of a class": lambda x: set_on(Counter, x),
    "attribute of a function": lambda x: setattr(put, "late", x),
    "slots": SLOTTED.mapped,
    "fields": lambda x: PAIR.put(x, PAIR.into),
    "queue": lambda x: QUEUE[1](x, TAGS),
    "each in a queue": lambda x: [step(x, TAGS) for step in QUEUE],
    "view": lambda x: VIEW["put"](x, TAGS),
    "table of a class": Registry().mapped,
    "kind of argument": lambda x: put_any(x, TAGS),
    "what a function chooses": lambda x: chosen("put")(x, TAGS),
    "what a function hands back": lambda x: put(x, handed_back(TAGS)),
    "chosen before": chosen_before,
    "tried before": tried_before,
    "table made there": lambda x: {"look": is_known, "put": put}["put"](x, TAGS),
    "pool": in_a_pool,
    "chain": one_after_the_other,
    "function of a library": lambda x, push=heapq.heappush: x == 40 and push(TAGS, x),
    "method of a type": lambda x, add=list.append: x == 40 and add(TAGS, x),
    "operator": lambda x, add=operator.iadd: x == 40 and add(TAGS, [x]),
    "bound method of a type": functools.partial(list.append, TAGS),
}


@pytest.mark.parametrize("way", TO_HELPERS)
def test_what_a_helper_changes_is_told(way):
    """However the call comes to it, and in a branch that few items take."""
    reach, _ = examine(TO_HELPERS[way], [1, 2])

    assert reach.stores or reach.changed


def lengths(x):
    return len(x)


def own_list(x, put=put):
    mine = []
    put(x, mine)
    return [put(x, one) for one in ([], [])], run(put, x, []), run(put, x=x, into=mine)


def adds_numbers(x):
    total = STATE["limit"]
    total += x
    return total


def takes_options(x, **options):
    options["x"] = x
    options.setdefault("y", []).append(x)
    return options


def chosen_pure(x):
    found = TAGS
    if x:
        found = list(TAGS)
        found.append(x)
        return found
    one = is_known if x else lengths
    return len(found), one


def sorted_by(library, x):
    found = [x]
    library.insort(found, 1)
    return library.insert(found, x)


PURE = {
    "module as an argument": lambda x: sorted_by(types.SimpleNamespace(insort=max, insert=min), x),
    "chosen": chosen_pure,
    "table of a class": lambda x: Registry.table["look"](x, TAGS),
    "queue": lambda x: [one.__name__ for one in QUEUE],
    "what a function chooses": lambda x: chosen("look")(x, (1, 2)),
    "copy of what is handed back": lambda x: put(x, list(handed_back(TAGS))),
    "strip": lambda texts: list(map(str.strip, texts)),
    "sorted": lambda texts: sorted(texts, key=len),
    "key as a default": lambda texts, key=len: sorted(texts, key=key),
    "bound list": functools.partial(is_known, into=[1, 2]),
    "default list": lambda x, look=is_known, into=(1, 2): look(x, into),
    "list of the program": lambda x, look=is_known: look(x, TAGS),
    "wrapped": lambda x: retried(is_known)(x, TAGS),
    "handed on": lambda x: run(is_known, x, TAGS),
    "folded": lambda x: functools.reduce(operator.add, [x, *TAGS], 0),
    "own list": own_list,
    "copy": lambda x, add=operator.iadd: add(list(TAGS), [x]),
    "number beside a list": adds_numbers,
    "own options": takes_options,
    "own options of another": lambda x: takes_options(x, y=[]),
    "table of functions": lambda x: [f(x) for f in (str, lengths)],
}


@pytest.mark.parametrize("way", PURE)
def test_what_changes_nothing_is_not_told(way):
    """Such a function may run in workers."""
    reach, _ = examine(PURE[way], ["a", "b"])

    assert (reach.stores, reach.changed) == ((), ())


def test_what_is_changed_is_told_with_its_key():
    """Users read it in `explain()`."""

    def item(x):
        STATE["counts"][x] = x

    assert examine(item, [1])[0].stores == ("global STATE['counts'][...]",)


def slowly(f):
    def item(x, **options):
        time.sleep(2e-3)
        return f(x, **options)

    return item


def test_few_items_change_what_the_program_has():
    """The item that comes late changes it, and later ones find that, as in the loop."""
    seen: list[int] = []

    def note(x, into):
        if x == 40:
            into.append(x)
        return len(into)

    expected = [0] * 40 + [1] * 20
    assert tuned_map(slowly(lambda x, note=note: note(x, seen)), range(60)) == expected
    assert seen == [40]

    seen.clear()
    options = {"note": note, "seen": seen}
    function = slowly(lambda x, note, seen: note(x, seen))
    assert tuned_map(function, range(60), item_kwargs=options) == expected
    assert seen == [40]

    seen.clear()
    steps = {"look": is_known, "note": note}
    function = slowly(lambda x: [step(x, seen) for step in steps.values()][-1])
    assert tuned_map(function, range(60)) == expected
    assert seen == [40]
