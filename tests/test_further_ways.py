"""Ways to what is shared that code does not spell out: classes, `super`, names looked up."""

import asyncio
import contextlib
import dataclasses
import decimal
import functools
import io
import itertools
import json
import operator
import os
import struct
import types
import typing

import pytest

from amorsize._function.sharing.thread_safety import examine

SEEN: list[object] = []
BY_NAME = {"s": 1, "names": SEEN}


class Keeper:
    """Its instances are made for one item, what its class has is kept."""

    seen: list[object] = []  # noqa: RUF012 - as people write it
    table = {"put": lambda x, into: into.append(x)}  # noqa: RUF012

    def keep(self, x):
        self.seen.append(x)
        return x

    def keep_by_type(self, x):
        kind = type(self)
        kind.seen.append(x)
        return x

    def keep_by_class(self, x):
        self.__class__.seen[0:0] = [x]
        return x

    def count(self, x):
        type(self).n_new = x
        return x

    def count_by_name(self, x):
        setattr(type(self), "n_" + "new", x)
        return x

    def by_table(self, x):
        type(self).table["put"](x, SEEN)
        return x


class Ledger:
    def __init__(self):
        self.rows = []

    def on_sale(self, x):
        self.rows.append(x)
        return x

    def handle(self, kind, x):
        return getattr(self, f"on_{kind}")(x)

    def add(self, x, into):
        into.append(x)
        return x

    def each(self):
        yield self.rows


class Journal(Ledger):
    def on_sale(self, x):
        return super().on_sale(x)

    def add(self, x, into):
        return super(Journal, self).add(x, into)  # noqa: UP008


class Names(list):
    def remember(self, name):
        super().append(name)


class Texts(dict):
    def remember(self, name):
        super().__setitem__(name, 1)


LEDGER, JOURNAL, NAMES, TEXTS = Ledger(), Journal(), Names(), Texts()


def put(x, into):
    into.append(x)
    return x


def look(x, into):
    return x in into


def table():
    return {"look": look, "put": put}


def table_put_together():
    found = {}
    found["put"] = put
    return found


def steps():
    yield look
    yield put


def logged(function):
    def wrapper(*args):
        return function(*args)

    return wrapper


def made_here(kind):
    def inner(x, into):
        if kind:
            into.append(x)
        return x

    return inner


class Rows:
    def __get__(self, owner, kind=None):
        return SEEN


class Handlers:
    rows = Rows()

    @property
    def handler(self):
        return put

    @property
    def seen(self):
        return SEEN

    def __getitem__(self, name):
        return put


HANDLERS = Handlers()


@functools.lru_cache
def ledger():
    return Ledger()


class Store:
    """Has what others have, and lives for one item."""

    def __init__(self, rows):
        self.rows = rows

    def save(self, x):
        self.rows.append(x)
        return x


@dataclasses.dataclass
class StoreOfFields:
    rows: list[object]

    def save(self, x):
        self.rows.append(x)
        return x


@dataclasses.dataclass
class NewFields:
    tags: list[object] = dataclasses.field(default_factory=list)
    counts: dict[object, int] = dataclasses.field(default_factory=dict)

    def tag(self, x):
        self.tags.append(x)
        self.counts[x] = 1
        return self


class StoreOfTuple(typing.NamedTuple):
    rows: list[object]

    def save(self, x):
        self.rows.append(x)
        return x


class Service:
    """Has a store, which has the rows."""

    def __init__(self, store):
        self.store = store

    def run(self, x):
        return self.store.save(x)


class Command:
    def __init__(self, function, into):
        self.function, self.into = function, into

    def run(self, x):
        return self.function(x, self.into)


class Late:
    def attach(self, rows):
        self.kept = rows
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kept.append(1)


class Farewell:
    def __init__(self, into):
        self.last_into = into

    def __del__(self):
        self.last_into.append(1)


def save_to(store, x):
    store.rows.append(x)


def attached(x):
    store = Late()
    store.kept = SEEN
    with store:
        return x


class Order:
    def __init__(self, target, name, *args):
        self.target, self.name, self.args = target, name, args

    def run(self):
        return getattr(self.target, self.name)(*self.args)


def keeps_by_default(x):
    def keep(one, rows=SEEN):
        rows.append(one)

    return [keep(one) for one in [x]]


class RowsLeft:
    def __init__(self, rows):
        self.rows, self.at = rows, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.at += 1
        if self.at > len(self.rows):
            raise StopIteration
        return self.rows[self.at - 1]


def keep(x):
    SEEN.append(x)


MODULE, ROWS_LEFT = types.ModuleType("test_further_ways_module"), RowsLeft([1, 2, 3])
MODULE.keep = keep
IN_TABLE = {"module": MODULE}


def module_of():
    return MODULE


def in_a_space(x):
    space = types.SimpleNamespace(rows=SEEN)
    space.rows.append(x)


def in_a_table(x):
    table = {}
    table["rows"] = SEEN
    table["rows"].append(x)


class Called:
    def __init__(self):
        self.n = 0

    def __call__(self, x):
        self.n += 1
        return x


class Watched:
    """Counts how often it is looked at, in whatever way."""

    def __init__(self):
        self.n = 0

    def look(self, *_):
        self.n += 1
        return self.n

    def walk(self):
        self.n += 1
        yield self.n

    def tell(self, *_):
        self.n += 1
        return ""

    async def enter(self, *_):
        self.n += 1

    __eq__ = __lt__ = __add__ = __radd__ = __neg__ = __hash__ = __int__ = __round__ = look
    __iter__, __str__, __format__, __aenter__, __aexit__ = walk, tell, tell, enter, enter


async def waits_for(x):
    async with WATCHED:
        return x


def note_it(x):
    SEEN.append(x)


def prints_to_a_buffer(x):
    with contextlib.redirect_stdout(BUFFER):
        print(x)


SELL, ADD = operator.methodcaller("on_sale", 1), operator.methodcaller("append", 1)
ROWS, NAMES_OF = operator.attrgetter("rows"), operator.itemgetter("names")
CALLED, WATCHED = {"one": Called()}, Watched()
BUFFER, BYTES = io.StringIO(), bytearray(8)


def parts_of():
    return {"rows": LEDGER.rows, "more": [SEEN]}


def pair_of(rows):
    return 1, rows


def one_of_two(x):
    _, rows = pair_of(LEDGER.rows)
    rows.append(x)


def current_context():
    return decimal.getcontext()


def set_precision(context):
    context.prec = 9


ledger()  # from now on it is the same for all


def kept(name):
    return {"ledger": LEDGER}[name]


def named_late(x, name="name"):
    BY_NAME[name + "s"].append(x)
    return x


def with_what_is_no_context(x):
    with contextlib.nullcontext(SEEN) as rows:
        rows.append(x)


WAYS = {
    "given to with": with_what_is_no_context,
    "method of a type, prepared": lambda x: functools.partial(list.append, SEEN)(x),
    "method of a type, handed on": lambda x: list(map(list.append, [SEEN], [x])),
    "method of a type, for each pair": lambda x: list(itertools.starmap(list.append, [(SEEN, x)])),
    "set in a new table": lambda x: {}.setdefault("rows", SEEN).append(x),
    "list of a class": lambda x: Keeper().keep(x),
    "list of a class, by type()": lambda x: Keeper().keep_by_type(x),
    "list of a class, by __class__": lambda x: Keeper().keep_by_class(x),
    "new attribute of a class": lambda x: Keeper().count(x),
    "named attribute of a class": lambda x: Keeper().count_by_name(x),
    "table of a class": lambda x: Keeper().by_table(x),
    "getattr": lambda x: getattr(LEDGER, "on_sale")(x),  # noqa: B009
    "getattr of what is kept": lambda x: getattr(LEDGER, "rows").append(x),  # noqa: B009
    "getattr of a method": lambda x: getattr(LEDGER.rows, "append")(x),  # noqa: B009
    "getattr with a default": lambda x: getattr(LEDGER, "on_sale", None)(x),
    "getattr of a name put together": lambda x: getattr(LEDGER, "on_" + str(x))(x),
    "dispatch by name": lambda x: LEDGER.handle("sale", x),
    "super of an object": lambda x: JOURNAL.on_sale(x),
    "super of a bound method": JOURNAL.on_sale,
    "super with arguments": lambda x: JOURNAL.add(x, SEEN),
    "super of a list": lambda x: NAMES.remember(x),
    "super of a dict": lambda x: TEXTS.remember(x),
    "key put together": named_late,
    "table that a helper makes": lambda x: table()["put"](x, SEEN),
    "got from such a table": lambda x: table().get("put")(x, SEEN),
    "each of such a table": lambda x: [f(x, SEEN) for f in table().values()],
    "table that is put together": lambda x: table_put_together()["put"](x, SEEN),
    "generator of helpers": lambda x: [f(x, SEEN) for f in steps()],
    "decorated for the call": lambda x: logged(put)(x, SEEN),
    "made for the call": lambda x: made_here(1)(x, SEEN),
    "property": lambda x: HANDLERS.handler(x, SEEN),
    "element of an object": lambda x: HANDLERS["put"](x, SEEN),
    "what a cache gives": lambda x: ledger().on_sale(x),
    "object around it": lambda x: Store(SEEN).save(x),
    "object around it, by name": lambda x: Store(rows=SEEN).save(x),
    "object with fields": lambda x: StoreOfFields(SEEN).save(x),
    "named tuple": lambda x: StoreOfTuple(SEEN).save(x),
    "object around an object": lambda x: Service(Store(SEEN)).run(x),
    "object around a ledger": lambda x: Service(StoreOfFields(LEDGER.rows)).run(x),
    "helper and list in an object": lambda x: Command(put, SEEN).run(x),
    "object handed to a helper": lambda x: save_to(Store(SEEN), x),
    "attached by a method": lambda x: Late().attach(SEEN).__exit__(x),
    "attached to an object": attached,
    "end of an object": lambda x: Farewell(SEEN) and x,
    "module as a default": lambda x, module=MODULE: module.keep(x),
    "module in a table": lambda x: IN_TABLE["module"].keep(x),
    "module that a helper gives": lambda x: module_of().keep(x),
    "own iterator": lambda _: [str(one) for one in ROWS_LEFT],
    "own iterator, handed on": lambda _: next(itertools.islice(ROWS_LEFT, 1)),
    "own iterator, beside another": lambda _: list(zip("a", ROWS_LEFT, strict=False)),
    "own iterator, by a helper": lambda _: dict(enumerate(ROWS_LEFT)),
    "default of a function made there": lambda x: (lambda rows=SEEN: rows.append(x))(),
    "default of a helper made there": keeps_by_default,
    "command that finds its method": lambda x: Order(LEDGER, "on_sale", x).run(),
    "namespace": in_a_space,
    "method by its name": lambda x: SELL(LEDGER) and x,
    "method of a list by its name": lambda x: ADD(SEEN) and x,
    "method by its name, made there": lambda x: operator.methodcaller("on_sale", x)(LEDGER),
    "attribute by its name": lambda x: ROWS(LEDGER).append(x),
    "element by its name": lambda x: NAMES_OF(BY_NAME).append(x),
    "property that gives what others have": lambda x: Handlers().seen.append(x),
    "descriptor that gives what others have": lambda x: Handlers().rows.append(x),
    "function of the module by its name": lambda x: globals()["note_" + "it"](x),
    "function of the module in a text": lambda x: eval("note_it(x)", globals(), {"x": x}),
    "object that is called, in a table": lambda x: list(map(CALLED["one"], [x])),
    "object that is called, as a key": lambda x: sorted([x], key=CALLED["one"]),
    "buffer of the program": prints_to_a_buffer,
    "buffer that is written to": lambda x: json.dump(x, BUFFER),
    "buffer that is packed into": lambda x: struct.pack_into("i", BYTES, 0, x),
    **{
        f"operator: {name}": function
        for name, function in {
            "equal": lambda x: x == WATCHED,
            "equal from the right": lambda x: x == WATCHED,
            "less": lambda x: x > WATCHED,
            "in a list": lambda x: WATCHED in [x],
            "added to": lambda x: x + WATCHED,
            "minus": lambda _: -WATCHED,
            "unpacked": lambda x: [*WATCHED, x],
            "in a text": lambda _: "%s" % WATCHED,  # noqa: UP031
            "printed": lambda _: print(WATCHED),
            "hashed": lambda _: hash(WATCHED),
            "rounded": lambda _: round(WATCHED),
            "number": lambda _: int(WATCHED),
            "sorted": lambda x: sorted(WATCHED, key=x),
            "async with": lambda x: asyncio.run(waits_for(x)),
        }.items()
    },
    "table made there": in_a_table,
    "part of what a helper gives": lambda x: parts_of()["rows"].append(x),
    "one of two that a helper gives": lambda x: pair_of(SEEN)[1].append(x),
    "unpacked from what a helper gives": one_of_two,
    "deep in what a helper gives": lambda x: parts_of()["more"][0].append(x),
    "each that a generator gives": lambda x: [one.append(x) for one in LEDGER.each()],
    "context that a helper gives": lambda _: set_precision(current_context()),
    "what a helper gives": lambda x: kept("ledger").on_sale(x),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_changed_in_a_further_way_is_told(way):
    """A worker would lose it."""
    reach, _ = examine(WAYS[way], [1, 2])

    assert reach.stores or reach.changed


class Parser:
    """Keeps what it has parsed to itself, and has rules in common with others."""

    rules = {"a": 1}  # noqa: RUF012
    seen: list[object] = []  # noqa: RUF012

    def __init__(self):
        self.seen = []
        self.n = 0

    def parse(self, text):
        self.n += self.rules.get(text, 0)
        self.seen.append(text)
        return type(self).rules, len(self.seen)

    def parse_by_name(self, name, text):
        return getattr(self, f"parse_{name}", self.parse)(text)


class LongParser(Parser):
    def parse(self, text):
        return super().parse(text * 2)


def new_ledger():
    return Ledger()


CHANGE_FOLDER = {
    "out of a table": lambda x: {"folder": os.chdir}["folder"](x),
    "out of a table that a helper makes": lambda x: folder_table()["folder"](x),
    "given by a helper": lambda x: folder_changer()(x),
    "handed on": lambda x: list(map(os.chdir, [x])),
}


def folder_table():
    return {"folder": os.chdir}


def folder_changer():
    return os.chdir


@pytest.mark.parametrize("way", CHANGE_FOLDER)
def test_what_changes_the_process_is_told_wherever_it_is_named(way):
    """An item that was watched may not have come there."""
    assert "os.chdir" in examine(CHANGE_FOLDER[way], ["a", "b"])[0].alters


PURE = {
    "list of an object": lambda x: Parser().parse(x),
    "method by name": lambda x: Parser().parse_by_name("rows", x),
    "super of a new object": lambda x: LongParser().parse(x),
    "table that a helper makes": lambda x: table()["put"](x, []),
    "made for the call": lambda x: made_here(1)(x, [*SEEN]),
    "method of a text": lambda texts: [text.translate(BY_NAME) for text in texts],
    "what a helper makes": lambda x: new_ledger().on_sale(x),
    "object around its own list": lambda x: Store([]).save(x),
    "object around a copy": lambda x: Service(Store(list(SEEN))).run(x),
    "object that only looks": lambda x: Command(look, SEEN).into == [x],
    "length of a buffer": lambda x: (len(BYTES), isinstance(BUFFER, io.StringIO), x),
    "buffer of its own": lambda x: json.dump(x, io.StringIO()),
    "texts compared": lambda x: x == "a" and x + "b" in [x],
    "object with new fields": lambda x: NewFields().tag(x),
    "object with a copy for a field": lambda x: NewFields(list(SEEN)).tag(x),
    "new pair": lambda x: pair_of([])[1].append(x),
    "new parts": lambda x: [one.append(x) for one in Ledger().each()],
    "getattr of a table": lambda x: getattr(LEDGER, "rows", []) + [x],  # noqa: RUF005
}


@pytest.mark.parametrize("way", PURE)
def test_what_a_new_object_keeps_is_not_told(way):
    """Such a function may run in workers."""
    reach, _ = examine(PURE[way], ["a", "b"])

    assert (reach.stores, reach.changed) == ((), ())
