"""What few items change is read from the code: no item that is watched may be one of them."""

import array
import collections
import concurrent.futures
import contextlib
import contextvars
import decimal
import functools
import heapq
import io
import logging
import multiprocessing
import operator
import os
import random
import signal
import socket
import sys
import threading
import time
import types
import warnings

import numpy as np
import pandas as pd
import pytest

from amorsize import tuned_map
from amorsize._function.sharing.thread_safety import examine

LIST: list[int] = []
TABLE = {"a": 1}
GROUPS = collections.defaultdict(list)
USER_DICT = collections.UserDict()
NUMBERS = array.array("i")
FRAME = pd.DataFrame({"a": [0]})
SPACE = types.SimpleNamespace(found=[])
ROWS = [[], []]
SETTINGS = {"n": 0}


class Store:
    def __init__(self):
        self.kept = []

    def keep(self, x):
        self.kept.append(x)

    def keep_by_another(self, x):
        self.keep(x)

    def mapped(self, x):
        if x == 40:
            self.keep(x)
        return x


STORE = Store()


class Called:
    """Changes in every way that an object is used."""

    def __init__(self):
        self.n = 0

    def call(self):
        self.n += 1

    def __call__(self):
        self.call()

    def __contains__(self, x):
        self.n += x
        return True

    def __getitem__(self, x):
        self.n += x
        return x

    @property
    def asked(self):
        self.n += 1
        return self.n

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.n += 1

    def __lshift__(self, x):
        self.n += x


class OncePerKey(type):
    made = {}  # noqa: RUF012 - as people write it

    def __call__(cls, *key):
        if key not in OncePerKey.made:
            OncePerKey.made[key] = super().__call__(*key)
        return OncePerKey.made[key]


class Kept(metaclass=OncePerKey):
    def __init__(self, x):
        self.x = x


NESTED = {"a": [1]}
ARRAY = np.zeros(3)
CALLED = Called()
SHOP = types.SimpleNamespace(store=Store())
ADD = LIST.append
VARIABLE = contextvars.ContextVar("variable", default=0)
LOGGER = logging.getLogger("late")
TEXT = io.StringIO()
BYTES = io.BytesIO()


def part(table):
    return table["a"] if "a" in table else table  # noqa: SIM401 - two ways to one value


@contextlib.contextmanager
def noting(to):
    yield
    to.append(1)


def settings():
    return SETTINGS


def put(table, key):
    table[key] = key


def put_by_another(key, table):
    put(table, key)


PREPARED = functools.partial(put, TABLE)


def alias(x):
    found = LIST
    if x == 40:
        found.append(x)


def alias_in_place(x):
    found = LIST
    if x == 40:
        found += [x]


def helper(x):
    if x == 40:
        put(TABLE, x)


def helper_of_a_helper(x):
    if x == 40:
        put_by_another(x, TABLE)


def what_a_getter_gives(x):
    if x == 40:
        settings()["n"] += 1


def what_a_getter_gave(x):
    mine = settings()
    if x == 40:
        mine["n"] = x


def loop(x):
    for row in ROWS:
        if x == 40:
            row.append(x)


def key_made_on_demand(x):
    if x == 40:
        GROUPS["a"].append(x)


def mapping_of_another_kind(x):
    if x == 40:
        USER_DICT["a"] = x


def compact_array(x):
    if x == 40:
        NUMBERS.append(x)


def cell_of_a_frame(x):
    if x == 40:
        FRAME.loc[0, "a"] = x


def inside_a_namespace(x):
    if x == 40:
        SPACE.found.append(x)


def default(x, seen=[]):  # noqa: B006 - that is the point
    if x == 40:
        seen.append(x)


def method_of_an_object(x):
    if x == 40:
        STORE.keep(x)


def method_of_a_method(x):
    if x == 40:
        STORE.keep_by_another(x)


def environment(x):
    if x == 40:
        os.environ["LATE"] = "1"


def through_a_lambda(x, to=lambda key: TABLE.update({key: key})):
    if x == 40:
        to(x)


def in_a_nested_function(x):
    found = LIST

    def add():
        found.append(x)

    if x == 40:
        add()


def by_an_argument_of_a_nested_function(x):
    def add(to):
        to.append(x)

    if x == 40:
        add(LIST)


def named_arguments(x):
    if x == 40:
        put(key=x, table=TABLE)


def star_arguments(x):
    if x == 40:
        put(*(TABLE, x))


def double_star_arguments(x):
    if x == 40:
        put(**{"key": x, "table": TABLE})


def one_of_several(x):
    for found in (LIST, ROWS):
        if x == 40:
            found.append(x)


def one_of_the_values(x):
    for _, found in NESTED.items():
        if x == 40:
            found.append(x)


def numbered(x):
    for _, row in enumerate(ROWS):
        if x == 40:
            row.append(x)


def what_get_gives(x):
    if x == 40:
        NESTED.get("a").append(x)


def the_shortest(x):
    if x == 40:
        min(ROWS, key=len).append(x)


def handed_on(x):
    if x == 40:
        list(map(LIST.append, [x]))


def by_the_heap(x):
    if x == 40:
        heapq.heappush(LIST, x)


def by_an_operator(x):
    if x == 40:
        operator.setitem(TABLE, x, x)


def by_its_type(x):
    if x == 40:
        dict.update(TABLE, {x: x})


def by_a_special_name(x):
    if x == 40:
        TABLE.__setitem__(x, x)


def by_a_prepared_call(x):
    if x == 40:
        PREPARED(x)


def by_a_method_with_a_name(x):
    if x == 40:
        ADD(x)


def attribute_by_name(x):
    if x == 40:
        vars(STORE)["late"] = x


def without_arguments(x):
    if x == 40:
        CALLED.call()


def by_calling(x):
    if x == 40:
        CALLED()


def by_asking(x):
    return x == 40 and x in CALLED


def by_reading(x):
    return CALLED[x] if x == 40 else x


def by_a_property(x):
    return CALLED.asked if x == 40 else x


def by_with(x):
    if x == 40:
        with CALLED:
            pass


def by_a_context(x):
    if x == 40:
        with noting(LIST):
            pass


def by_an_operator_of_its_own(x):
    if x == 40:
        CALLED << x


def into_an_array(x):
    if x == 40:
        np.add(ARRAY, 1, out=ARRAY)


def in_a_frame(x):
    if x == 40:
        FRAME.fillna(0, inplace=True)


def of_an_object_in_an_object(x):
    if x == 40:
        SHOP.store.keep(x)


def made_by_its_class(x):
    if x == 40:
        Kept(x)


def one_or_the_other(x):
    if x == 40:
        put(TABLE if x % 2 else SETTINGS, x)


def this_or_a_new_one(x):
    found = LIST or []
    if x == 40:
        found.append(x)


def those_that_fit(x):
    found = [row for row in ROWS if len(row) < 9]
    for row in found:
        if x == 40:
            row.append(x)


def those_that_pass(x):
    for row in filter(lambda row: len(row) < 9, ROWS):
        if x == 40:
            row.append(x)


def those_still_to_do(x):
    ahead = [ROWS]
    while ahead:
        row = ahead.pop()
        if x == 40:
            row.append(x)


def a_part_that_is_handed_back(x):
    if x == 40:
        part(NESTED)["b"] = x


def by_a_helper_for_each(x):
    if x == 40:
        list(map(mark, ROWS))


def by_a_thread(x):
    if x == 40:
        thread = threading.Thread(target=put, args=(TABLE, x))
        thread.start()


def by_a_call_prepared_there(x):
    add = functools.partial(put, TABLE)
    if x == 40:
        add(x)


def by_an_executor(x):
    if x == 40:
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            executor.submit(put, TABLE, x)


def into_a_text(x):
    if x == 40:
        print("late", file=TEXT)


def into_bytes(x):
    if x == 40:
        BYTES.write(b"late")


def context_variable(x):
    if x == 40:
        VARIABLE.set(x)


def attribute_of_a_logger(x):
    if x == 40:
        LOGGER.disabled = True


CHANGING = [
    *(alias, alias_in_place, helper, helper_of_a_helper, what_a_getter_gives, what_a_getter_gave),
    *(loop, key_made_on_demand, mapping_of_another_kind, compact_array, cell_of_a_frame),
    *(inside_a_namespace, default, method_of_an_object, method_of_a_method, environment),
    *(through_a_lambda, STORE.mapped, functools.partial(put_by_another, table=TABLE)),
    *(in_a_nested_function, by_an_argument_of_a_nested_function, named_arguments),
    *(star_arguments, double_star_arguments, one_of_several, one_of_the_values, numbered),
    *(what_get_gives, the_shortest, handed_on, by_the_heap, by_an_operator, by_its_type),
    *(by_a_special_name, by_a_prepared_call, by_a_method_with_a_name, attribute_by_name),
    *(without_arguments, by_calling, by_asking, by_reading, by_a_property, by_with),
    *(by_a_context, by_an_operator_of_its_own, into_an_array, in_a_frame),
    *(of_an_object_in_an_object, made_by_its_class, one_or_the_other, this_or_a_new_one),
    *(those_that_fit, those_that_pass, those_still_to_do, a_part_that_is_handed_back),
    *(by_a_helper_for_each, by_a_thread, by_a_call_prepared_there, by_an_executor),
    *(into_a_text, into_bytes, context_variable, attribute_of_a_logger),
]


@pytest.mark.parametrize("item", CHANGING, ids=lambda one: getattr(one, "__name__", "partial"))
def test_what_outlives_the_item_is_told(item):
    """By whatever name, method or helper of the project it is changed."""
    reach, _ = examine(item, [1, 2])

    assert reach.stores or reach.changed


def test_what_a_method_gives_is_told_as_an_element():
    """Users read it in `explain()`."""
    assert examine(what_get_gives, [1])[0].stores == ("global NESTED[...].append()",)


def prec(x):
    if x == 40:
        decimal.getcontext().prec = 5


def folder(x):
    if x == 40:
        os.chdir("/")


def folder_for_a_while(x):
    if x == 40:
        with contextlib.chdir("/"):
            pass


def seed(x):
    if x == 40:
        random.seed(1)


def handler(x):
    if x == 40:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def filters(x):
    if x == 40:
        warnings.simplefilter("error")


def timeout(x):
    if x == 40:
        socket.setdefaulttimeout(1)


@pytest.mark.parametrize("item", [folder, folder_for_a_while, seed, filters, timeout, handler])
def test_what_the_process_has_once_is_told(item):
    """By its own code: libraries do such things in branches that nobody takes."""
    assert examine(item, [1])[0].alters


def test_what_the_thread_has_once_is_told():
    """As it was given by a call."""
    assert examine(prec, [1])[0].shared == ("global decimal.getcontext().prec",)


def process_name(x):
    if x == 40:
        multiprocessing.current_process().name = "late"


def thread_name(x):
    if x == 40:
        threading.current_thread().name = "late"


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (process_name, "global multiprocessing.current_process().name"),
        (thread_name, "global threading.current_thread().name"),
    ],
)
def test_what_all_of_a_process_or_thread_are_given_is_told(item, told):
    """A worker has an object of its own there, whatever module publishes the function."""
    assert told in examine(item, [1])[0].changed


def own_table(x):
    table = {}
    put(table, x)
    table["b"] = x
    return table


def only_reads(x):
    found = TABLE
    return found["a"], settings()["n"], list(ROWS), GROUPS.get("a"), FRAME.a.sum() + x


def own_object(x):
    store = Store()
    store.keep(x)
    return store.kept


def argument_that_is_a_number(x, n=3):
    n += x
    x *= 2
    return n + x


def copy_of_a_table(x):
    mine = dict(TABLE)
    mine.update(b=x)
    mine["c"] = x
    return sorted(mine)


def copies_of_what_is_inside(x):
    rows = list(ROWS)
    rows.append([x])
    first, *others = rows
    others.append(first)
    got = {key: list(value) for key, value in NESTED.items()}
    got["a"].append(x)
    best = sorted(NESTED.values())
    best.pop()
    return rows, others, got, best, max(ROWS, key=len)


def made_of_what_is_there(x):
    made = {key: list(value) for key, value in NESTED.items()}
    made.setdefault("b", []).append(x)
    row = [x] if x else [0]
    row.append(x)
    ahead = [list(row)]
    while ahead:
        ahead.pop().append(x)
    text = io.StringIO()
    print(x, file=text)
    return made, row, list(map(len, ROWS)), functools.partial(len, TABLE)()


def context_variable_for_a_while(x):
    token = VARIABLE.set(x)
    try:
        LOGGER.debug("%s", x)
    finally:
        VARIABLE.reset(token)


def own_heap(x):
    heap = [x]
    heapq.heappush(heap, 1)
    bag = ARRAY.copy()
    bag.fill(x)
    np.add(ARRAY, 1, out=bag)
    put(key="a", table=(mine := {}))
    return heap, bag, mine


def answer_of_a_client(x):
    answer = CLIENT.get(x)
    answer.encoding = "utf-8"
    return answer


class Client:
    """Is set up before the call and closed after it, by methods that items do not name."""

    def __init__(self):
        self.sent = None

    def get(self, x):
        return types.SimpleNamespace(x=x)

    def load(self):
        self.sent = []

    def __enter__(self):
        self.load()
        return self

    def __exit__(self, *exc):
        self.sent = None

    def mapped(self, x):
        with contextlib.suppress(KeyError):
            return self.get(x)


CLIENT = Client()


@pytest.mark.parametrize(
    "item",
    [
        *(own_table, only_reads, own_object, argument_that_is_a_number, copy_of_a_table),
        *(
            copies_of_what_is_inside,
            made_of_what_is_there,
            own_heap,
            answer_of_a_client,
            CLIENT.mapped,
            context_variable_for_a_while,
        ),
    ],
)
def test_what_is_the_items_own_is_not(item):
    """However it is changed."""
    reach, _ = examine(item, [1, 2])

    assert (reach.stores, reach.changed) == ((), ())


class Row:
    def __init__(self, i):
        self.i = i
        self.tags = []

    def mark(self):
        self.tags.append("late")


def marked_by_a_method(row):
    if row.i == 40:
        row.mark()


def marked_by_a_helper(row):
    if row.i == 40:
        put(vars(row), "done")
        mark(row.tags)


def mark(tags):
    tags.append("late")


def marked_in_place(row):
    tags = row.tags
    if row.i == 40:
        tags += ["late"]


def marked_beside_a_nested_function(row):
    wanted = [key for key in ("a", "b") if key in row.tags]
    if row.i == 40:
        row.tags.append(len(wanted))


def marked_by_setattr(row):
    if row.i == 40:
        setattr(row, "tags", ["late"])  # noqa: B010 - that is the point


class SubRow(Row):
    def mark(self):
        super().mark()


MARKING = [
    *(marked_by_a_method, marked_by_a_helper, marked_in_place, marked_beside_a_nested_function),
    marked_by_setattr,
]


def test_elements_of_an_item_that_few_items_change_are_told():
    """What `get` and `items` give, where the item is a container."""

    def mark_values(row):
        for key, tags in row.items():
            if key == 40:
                tags.append("late")

    assert examine(mark_values, [{1: []}, {2: []}])[0].changed == ("the items themselves",)


@pytest.mark.parametrize("item", MARKING)
def test_an_item_that_few_items_change_is_told(item):
    """In its code, by a method of its own, by a helper, by another name."""
    assert examine(item, [SubRow(1), SubRow(2)])[0].changed == ("the items themselves",)


@pytest.mark.parametrize("item", MARKING)
def test_an_item_that_few_items_change_is_told_by_a_variable_that_holds_the_function(item):
    """The name in the code need not be that of the function."""
    told = examine(lambda row: item(row), [SubRow(1), SubRow(2)])[0]

    assert told.changed == ("the items themselves",)


def test_a_method_that_changes_few_items_is_told_whatever_leads_to_its_call():
    """A default, an argument or the closure of a decorator's function."""
    item = marked_by_a_method
    for called in (
        lambda row, other=item: other(row),
        functools.partial(lambda first, row: first(row), item),
        functools.wraps(len)(lambda *rows: item(*rows)),
    ):
        assert examine(called, [SubRow(1), SubRow(2)])[0].changed == ("the items themselves",)


@pytest.mark.parametrize("item", MARKING)
def test_an_item_that_few_items_change_is_changed(item):
    """No worker process has a copy of it."""
    rows = [SubRow(i) for i in range(60)]

    tuned_map(lambda row: (time.sleep(2e-3), item(row)), rows)

    assert [row.i for row in rows if row.tags] == [40]


@pytest.mark.parametrize("pause", [time.sleep, lambda s: sum(range(int(s * 4e7)))])
def test_what_few_items_change_later_ones_find(pause):
    """As in the loop, whether they wait or compute."""
    counts = {"late": 0}

    def count(key, into):
        into[key] += 1

    def item(i):
        pause(2e-3)
        if i == 30:
            count("late", counts)
        return counts["late"]

    assert tuned_map(item, range(60)) == [0] * 30 + [1] * 30


def test_a_folder_that_one_item_enters_is_that_of_the_next(tmp_path, monkeypatch):
    """Nobody else is where it was before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "late").mkdir()

    def item(i):
        time.sleep(2e-3)
        if i == 30:
            os.chdir("late")
        return os.path.basename(os.getcwd()) == "late"

    assert tuned_map(item, range(60)) == [i >= 30 for i in range(60)]


def makes_if_missing(name):
    if not os.path.exists(name):
        os.mkdir(name)


def makes_path_if_missing(path):
    if not path.is_dir():
        path.mkdir(parents=True)


def makes_whatever_is_there(name):
    if os.path.exists(name) and os.path.isdir(name):
        return
    os.makedirs(name, exist_ok=True)


def test_a_folder_that_is_looked_for_first_is_made_in_turn():
    """In between, another item may have made it; not where that is no error."""
    for item in (makes_if_missing, makes_path_if_missing):
        assert "mkdir" in examine(item, ["a"])[0].bound[0]
    assert examine(makes_whatever_is_there, ["a"])[0].bound == ()


LIBRARY = """
_language, _figures, _table = "en", [], {}

def set_language(language):
    global _language
    _language = language

def begin(title):
    _figures.append(title)

def keep(key):
    _table[key] = key

def language():
    return _language
"""


@pytest.mark.parametrize("name", ["set_language", "begin", "keep", "language"])
def test_what_a_library_keeps_in_its_globals_no_threads_share(name, tmp_path, monkeypatch):
    """Installed, and of no known name: its code is read like one's own."""
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "keeps_things.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(site)
    import keeps_things

    function = getattr(keeps_things, name)
    reach, _ = examine((lambda x: function(x)) if name != "language" else lambda x: function(), [1])

    assert bool(reach.shared) == (name != "language")
    monkeypatch.delitem(sys.modules, "keeps_things")
