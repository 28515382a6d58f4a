"""Exceptions of items arrive as themselves, or as a stand-in that tells all there is to tell."""

import pickle
import threading
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

import amorsize
from amorsize import RemoteError, autotune, tuned_map
from amorsize._workers.messages import exception_pickling, serialization, tracebacks
from benchmarks import fault_items


def there_and_back(error):
    """An exception as it arrives from a worker, with the text of its traceback."""
    try:
        raise error
    except BaseException as raised:
        return exception_pickling.unpack_error(exception_pickling.pack_error(raised))


class Doubling(Exception):
    """Its constructor would say twice what it is given."""

    def __init__(self, code):
        super().__init__(f"code {code}")


@pytest.mark.parametrize(
    "error",
    [
        fault_items.OddConstructor("item", 3),
        fault_items.BreaksWhenRebuilt("text"),
        fault_items.Frozen("text"),
        fault_items.Mute(),
        Doubling(5),
        FileNotFoundError(2, "No such file", "/missing"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        ExceptionGroup("two", [ValueError(1), fault_items.OddConstructor("item", 3)]),
        StopIteration(3),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_arrives_as_itself(error):
    """Type, arguments, attributes and notes are those that were raised."""
    serialization.add_note(error, "a note")
    rebuilt, text = there_and_back(error)

    assert type(rebuilt) is type(error)
    assert pickle.dumps(rebuilt.args) == pickle.dumps(error.args) or len(rebuilt.args) == 2
    assert rebuilt.__dict__.keys() == error.__dict__.keys()
    assert rebuilt.__notes__ == ["a note"]
    assert "there_and_back" in text


@given(st.recursive(st.text() | st.integers() | st.none() | st.binary(), st.tuples))
def test_arguments_of_any_kind_survive(argument):
    """An exception has the arguments that it was made with."""
    rebuilt, _ = there_and_back(LookupError(argument, "more"))

    assert rebuilt.args == (argument, "more")


def test_one_that_cannot_travel_has_a_stand_in():
    """It tells type, text and traceback."""
    rebuilt, text = there_and_back(fault_items.CarriesLock("what happened"))

    assert isinstance(rebuilt, RemoteError)
    assert "fault_items.CarriesLock: what happened" in str(rebuilt)
    assert "lock" in str(rebuilt)
    assert "there_and_back" in text


def test_a_long_message_is_told_shortly_beside_the_exception():
    """The exception keeps all of it; the traceback in its note does not say it again."""
    rebuilt, text = there_and_back(ValueError("x" * 1_000_000))

    assert len(rebuilt.args[0]) == 1_000_000
    assert len(text) < 30_000
    assert "there_and_back" in text


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
@pytest.mark.parametrize("kind", [fault_items.Frozen, fault_items.Mute])
def test_one_that_takes_no_attributes_is_named_all_the_same(backend, kind):
    """The note and what was computed need no attribute to be set."""

    def work(index):
        if index == 5:
            raise kind()
        return index

    with pytest.raises(kind) as caught:
        tuned_map(work, range(20), backend=backend, thread_safe=True)

    assert any("item 5 (5)" in note for note in caught.value.__notes__)
    assert amorsize.partial_results(caught.value).items() >= {i: i for i in range(5)}.items()


def test_a_message_shows_only_the_beginning_of_a_large_item():
    """Nobody waits for the repr of what fills the memory."""

    class Huge(bytes):
        def __repr__(self):
            raise AssertionError("all of it was asked for")

    assert len(serialization.short_repr(bytes(50_000_000))) <= serialization.REPR_LENGTH
    assert "AssertionError" in serialization.short_repr(Huge())


@pytest.mark.parametrize("backend", ["auto", "serial", "process"])
def test_ctrl_c_while_data_is_read_does_not_wait_for_its_turn(backend):
    """An interrupt is not the data's own failure: nothing below it is waited for."""
    n_run = []

    def data():
        yield from range(5)
        raise KeyboardInterrupt

    stream = autotune(n_run.append, backend=backend).stream(data())

    with pytest.raises(KeyboardInterrupt) as caught:
        list(stream)
    assert not hasattr(caught.value, "__notes__")
    assert len(n_run) <= 5


# -- where an error came from ------------------------------------------------------------------


class LoadError(Exception):
    """What a library makes of others' errors."""


def load(item):
    """Fails for one item, after another failure; told in three ways."""
    try:
        try:
            return {}[item]
        except KeyError:
            raise OSError("while handling") from None
    except OSError as error:
        if item % 2:
            raise LoadError(item) from error
        raise LoadError(item)  # noqa: B904 - the context alone


BACKENDS = ["serial", "thread", "process", "auto"]


def lineage(error):
    """Types of an exception and of what it came from, with what is shown of it."""
    found = []
    while error is not None:
        found.append((type(error), error.__suppress_context__, error.__cause__ is None))
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("item", [3, 4])
def test_what_an_error_came_from_is_the_same_wherever_the_item_ran(backend, item):
    """Cause, context, and which of them a traceback shows."""
    with pytest.raises(LoadError) as here:
        load(item)
    with pytest.raises(LoadError) as caught:
        tuned_map(load, [item] * 3, backend=backend)

    assert lineage(caught.value) == lineage(here.value)
    assert len(lineage(caught.value)) == 3
    assert isinstance(caught.value.__cause__ or caught.value.__context__, OSError)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_traceback_leads_to_the_line_that_failed(backend):
    """File, function and line, also of a frame in another process."""
    with pytest.raises(LoadError) as caught:
        tuned_map(load, [3] * 3, backend=backend)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]

    assert (last.name, last.filename) == ("load", __file__)
    assert last.line == "raise LoadError(item) from error"
    assert "raise LoadError(item) from error" in "".join(traceback.format_exception(caught.value))


def test_an_endless_chain_ends():
    """As does one that leads back to itself."""
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    rebuilt, _ = there_and_back(first)

    assert isinstance(rebuilt.__cause__.__cause__, ValueError)


def chained(n):
    """The last of so many failures, each of which came from the one before."""
    error = None
    for number in range(n):
        later = LoadError(number)
        later.__cause__ = error
        error = later
    return error


def chain_of(error):
    """What an error came from, the error itself first."""
    while error is not None:
        yield error
        error = error.__cause__


@pytest.mark.parametrize("n", [17, 3000])
def test_a_long_chain_of_causes_arrives_whole(n):
    """Also one longer than recursion would reach."""
    rebuilt, _ = there_and_back(chained(n))

    assert [error.args for error in chain_of(rebuilt)] == [(one,) for one in reversed(range(n))]


def test_a_chain_that_is_not_sent_whole_says_so():
    """In place of the exceptions that are missing."""
    *sent, last = chain_of(there_and_back(chained(exception_pickling.MOST_LINKS + 5))[0])

    assert len(sent) == exception_pickling.MOST_LINKS
    assert isinstance(last, RemoteError)
    assert "not sent" in str(last)


def raise_chained(n):
    raise chained(n)


def raise_group(n):
    """Each member came from a failure of its own, one is a group itself."""

    def member(item):
        try:
            load(item)
        except LoadError as error:
            return error

    raise ExceptionGroup("all", [member(3), ExceptionGroup("inner", [member(4)])])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_chain_is_the_same_wherever_the_item_ran(backend):
    """Raised, or kept as a result."""
    kept = tuned_map(raise_chained, [40] * 3, backend=backend, return_exceptions=True)
    with pytest.raises(LoadError) as caught:
        tuned_map(raise_chained, [40] * 3, backend=backend)

    for error in (caught.value, *kept):
        assert len(list(chain_of(error))) == 40


@pytest.mark.parametrize("backend", BACKENDS)
def test_members_of_a_group_have_what_they_came_from(backend):
    """And the lines that failed."""
    kept = tuned_map(raise_group, [0] * 3, backend=backend, return_exceptions=True)

    for error in kept:
        first, second = error.exceptions[0], error.exceptions[1].exceptions[0]
        for one in (first, second):
            assert len(lineage(one)) == 3
            assert traceback.extract_tb(one.__traceback__)[-1].name == "load"


def test_what_is_in_a_group_and_before_it_is_one_exception():
    """As it was in the worker."""
    member = ValueError(1)
    group = ExceptionGroup("all", [member, ValueError(2)])
    group.__context__ = member
    rebuilt, _ = there_and_back(group)

    assert rebuilt.__context__ is rebuilt.exceptions[0]


def recurse(n):
    return recurse(n + 1)


@pytest.mark.parametrize("backend", ["serial", "process"])
def test_the_traceback_of_an_endless_recursion_arrives(backend):
    """Its ends do."""
    with pytest.raises(RecursionError) as caught:
        tuned_map(recurse, [0, 0], backend=backend)

    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "recurse"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_items", [6, 300])
def test_an_exception_kept_as_a_result_tells_what_a_raised_one_does(backend, n_items):
    """Its traceback, a note that names the item, its index and what it came from."""
    results = tuned_map(load, range(n_items), backend=backend, return_exceptions=True)

    for index, error in enumerate(results):
        assert amorsize.failed_index(error) == index
        assert f"load: item {index} ({index})" in error.__notes__
        assert traceback.extract_tb(error.__traceback__)[-1].name == "load"
        assert len(lineage(error)) == 3


def give_back(item):
    return ValueError(item)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_exception_that_was_returned_is_a_result_like_any_other(backend):
    """It failed nowhere."""
    results = tuned_map(give_back, range(9), backend=backend, return_exceptions=True)

    assert [error.args for error in results] == [(index,) for index in range(9)]
    assert not any(hasattr(error, "__notes__") for error in results)
    assert {amorsize.failed_index(error) for error in results} == {None}


ONE = ValueError("one for all")


def raise_one(_):
    raise ONE


def test_one_exception_that_many_items_raise_is_noted_once():
    """Or its notes would grow with every item."""
    results = tuned_map(raise_one, range(500), backend="serial", return_exceptions=True)

    assert len(results) == 500
    assert len(ONE.__notes__) == 1
    del ONE.__notes__


def test_a_raised_error_tells_its_index():
    """And others have none."""
    with pytest.raises(LoadError) as caught:
        tuned_map(load, [7])

    assert amorsize.failed_index(caught.value) == 0
    assert amorsize.failed_index(ValueError()) is None


def raise_through_many(item):
    """A chain of failures that each have a traceback."""
    error = None
    for number in range(40):
        try:
            raise LoadError(number) from error
        except LoadError as later:
            error = later
    raise error


@pytest.mark.parametrize("function", [load, raise_through_many, raise_group])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_failed_keeps_no_variables_alive(backend, function):
    """A kept exception is in the list that its own traceback would hold."""
    results = tuned_map(function, range(3), backend=backend, return_exceptions=True)

    for error in results:
        for one in tracebacks.family_of(error):
            for frame, _ in traceback.walk_tb(one.__traceback__):
                assert not frame.f_locals
                assert frame.f_back is None  # a caller's frame has the caller's variables


def test_a_traceback_from_a_worker_can_be_walked_by_those_who_look_at_instructions():
    """Whoever shows more than the line (IPython does) looks up the instruction of each frame.

    Where there is no file of the code, as in a cell of a notebook, it asks the frame for its line.
    """

    def item(x):
        """It does not fail at its first line."""
        raise LookupError(x)

    with pytest.raises(LookupError) as caught:
        tuned_map(item, range(4), backend="process")

    traceback = caught.value.__traceback__
    while traceback is not None:
        code, at = traceback.tb_frame.f_code, traceback.tb_lasti
        assert 0 <= at < len(code.co_code)
        assert at // 2 < len(list(code.co_positions()))
        is_gone = traceback.tb_frame.f_back is None and at == 0
        assert traceback.tb_frame.f_lineno == traceback.tb_lineno or not is_gone
        last = code
        traceback = traceback.tb_next
    assert last.co_firstlineno == item.__code__.co_firstlineno


@pytest.mark.parametrize("begins", [3, 300, 70_000])
@pytest.mark.parametrize("after", [-2, 0, 1, 31, 32, 5000])
def test_a_frame_from_a_worker_has_its_line_wherever_its_function_begins(begins, after):
    """Lines in a code object are steps from the first one, of any size."""
    made = tracebacks.made_of([("shop.py", begins + after, "parse", begins)])

    assert made.tb_frame.f_lineno == made.tb_lineno == begins + after
    assert made.tb_frame.f_code.co_firstlineno == begins
    assert {place[2:] for place in made.tb_frame.f_code.co_positions()} == {(None, None)}


class Gone(OSError):
    """Its constructor takes a path alone."""

    def __init__(self, path):
        super().__init__(2, "gone", path)


class NotBuilt(ImportError):
    """Says itself what is missing."""

    def __init__(self, what):
        super().__init__(f"no {what}", name=what, path=f"/lib/{what}")


class Ended(StopIteration):
    """Gives another value than it is made of."""

    def __init__(self, text):
        super().__init__(len(text))


class Misspelt(SyntaxError):
    """Knows where."""

    def __init__(self, line):
        super().__init__("misspelt", ("rules.txt", line, 1, "if"))


class Slotted(Exception):
    """Keeps what it was given beside its attributes."""

    __slots__ = ("code", "never_set")

    def __init__(self, *, code):
        super().__init__("slotted")
        self.code = code


class Paired(Exception):
    """Its parts are taken where it is made."""

    def __new__(cls, left, right):
        made = super().__new__(cls, left)
        made.right = right
        return made

    def __init__(self, left, _):
        super().__init__(left)


class Opened(Paired, OSError):
    """Both at once."""


def misname():
    try:
        return undefined_name
    except NameError as error:
        return error


def misread():
    try:
        return (5).missing
    except AttributeError as error:
        return error


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: Gone("/data"), ["errno", "strerror", "filename", "filename2"]),
        (lambda: NotBuilt("parser"), ["name", "path", "msg"]),
        (lambda: Ended("text"), ["value"]),
        (lambda: Misspelt(7), ["lineno", "filename", "text", "offset"]),
        (lambda: Slotted(code=3), ["code"]),
        (lambda: Paired("left", 5), ["right"]),
        (lambda: Opened("left", 5), ["right", "errno"]),
        (misname, ["name"]),
        (misread, ["name"]),
        (lambda: FileNotFoundError(2, "no", "/a", None, "/b"), ["filename", "filename2", "errno"]),
    ],
    ids=["os", "import", "stop", "syntax", "slots", "new", "both", "name", "attribute", "plain"],
)
def test_what_an_exception_tells_is_the_same_wherever_the_item_ran(backend, make, names):
    """Its text, and what handlers ask for, whatever its constructor takes."""

    def item(x):
        if x == 2:
            raise make()
        return x

    expected = make()
    kept = tuned_map(item, range(4), backend=backend, return_exceptions=True)[2]
    with pytest.raises(type(expected)) as caught:
        tuned_map(item, range(4), backend=backend)

    for error in (caught.value, kept):
        assert type(error) is type(expected)
        assert str(error) == str(expected)
        assert [getattr(error, name) for name in names] == [
            getattr(expected, name) for name in names
        ]


def test_a_field_that_cannot_be_pickled_leads_to_a_stand_in():
    """As an attribute of this kind does."""
    rebuilt, _ = there_and_back(Slotted(code=open))
    assert type(rebuilt) is Slotted
    rebuilt, _ = there_and_back(Slotted(code=(one for one in ())))
    assert isinstance(rebuilt, RemoteError)
    assert "slotted" in str(rebuilt)


class EndsAll(BaseException):
    """Passes every `except Exception`, as Ctrl-C does."""


class Mute(EndsAll):
    """Has no text either."""

    def __str__(self):
        raise EndsAll


def raises(kind):
    raise kind


class Hostile:
    """A value whose own code raises in one of these places."""

    def __init__(self, kind, place):
        self.kind, self.place = kind, place

    def __reduce__(self):
        if self.place == "rebuilt":
            return raises, (self.kind,)
        raise self.kind

    def __repr__(self):
        if self.place == "repr":
            raise self.kind
        return "Hostile"


class HostileError(Exception):
    """An exception that cannot be pickled in that way."""

    def __init__(self, kind, place):
        super().__init__(kind, place)
        self.content = Hostile(kind, place)


KINDS = [KeyboardInterrupt, SystemExit, Mute]


def value_at_3(x, kind, place):
    return Hostile(kind, place) if x == 3 else x


def error_at_3(x, kind, place):
    if x == 3:
        raise HostileError(kind, place)
    return x


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["pickled", "repr", "rebuilt"])
def test_what_a_result_raises_as_it_is_sent_ends_neither_worker_nor_caller(place, kind):
    """A loop never asks for its pickle. Ctrl-C and what a handler raises do end the caller."""
    if (kind, place) == (KeyboardInterrupt, "rebuilt"):
        pytest.skip("cannot be told from Ctrl-C")
    given = {"item_kwargs": {"kind": kind, "place": place}}
    with pytest.raises(amorsize.SerializationError, match="item 3 ") as caught:
        tuned_map(value_at_3, range(6), backend="process", n_jobs=2, **given)
    kept = tuned_map(
        value_at_3, range(6), backend="process", n_jobs=2, return_exceptions=True, **given
    )

    assert kind.__name__ in str(caught.value)
    assert type(kept.pop(3)) is amorsize.SerializationError
    assert kept == [0, 1, 2, 4, 5]
    assert type(tuned_map(value_at_3, range(6), **given)[3]) is Hostile


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["pickled", "rebuilt"])
def test_what_an_exception_raises_as_it_is_sent_has_a_stand_in(place, kind):
    """Its type and text arrive, and no worker ends by it."""
    given = {"item_kwargs": {"kind": kind, "place": place}, "backend": "process", "n_jobs": 2}
    with pytest.raises(RemoteError, match="HostileError"):
        tuned_map(error_at_3, range(6), **given)
    kept = tuned_map(error_at_3, range(6), return_exceptions=True, **given)

    assert type(kept.pop(3)) is RemoteError
    assert kept == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_an_item_raises_as_it_is_sent_keeps_it_in_the_caller(kind):
    """Unless processes were asked for; then an error names it."""
    items = [Hostile(kind, "pickled")] * 3

    assert tuned_map(type, items * 100) == [Hostile] * 300
    with pytest.raises(amorsize.SerializationError, match="item 0 "):
        tuned_map(type, iter(items), backend="process", n_jobs=2)


class HasNoClass:
    """A value that refuses to be asked for its class, as some proxies of what is gone do."""

    @property
    def __class__(self):
        raise ReferenceError("what this stood for is gone")


def without_class(x):
    return HasNoClass() if x == 3 else x


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_results_are_not_asked_for_their_class(backend):
    """Where exceptions are kept, too. They cannot be pickled, as pickle does ask."""
    found = tuned_map(without_class, range(6), backend=backend, return_exceptions=True)

    wanted = amorsize.SerializationError if backend == "process" else HasNoClass
    assert type(found.pop(3)) is wanted
    assert found == [0, 1, 2, 4, 5]


class TooLarge:
    """A result of which no copy can be made, there or here."""

    def __init__(self, is_rebuilt):
        self.is_rebuilt = is_rebuilt

    def __reduce__(self):
        if self.is_rebuilt:
            return raises, (MemoryError,)
        raise MemoryError


@pytest.mark.parametrize("is_rebuilt", [False, True])
def test_where_memory_is_short_no_result_is_told_to_be_at_fault(is_rebuilt):
    """It can be pickled. Fewer workers at once, or threads, which copy nothing, may help."""
    with pytest.raises(amorsize.SerializationError, match="item [01] ") as caught:
        tuned_map(TooLarge, [is_rebuilt] * 2, backend="process", n_jobs=2)

    assert "MemoryError. There was too little memory for a copy" in str(caught.value)
    assert "pickle." not in str(caught.value)


class Unlike(Exception):
    """Its constructor takes other arguments than it passes on."""

    def __init__(self, code, *, where):
        super().__init__(f"{code} at {where}")
        self.code, self.where = code, where


class Holding:
    def __init__(self, error):
        self.error = error


def caught(x, kind):
    try:
        try:
            raise KeyError(x)
        except KeyError as before:
            raise kind from before
    except Exception as error:
        error.add_note(f"of {x}")
        return error


def alone(x):
    return caught(x, ValueError(x))


def beside_others(x):
    return x, {"error": caught(x, OSError(2, "No such file", f"/{x}"))}


def in_an_object(x):
    return Holding(caught(x, Unlike(x, where="there")))


def with_its_own_constructor(x):
    return [caught(x, Unlike(x, where="there"))]


def of_a_group(x):
    return x, caught(x, ExceptionGroup("several", [Unlike(x, where="there"), ValueError(x)]))


def of_a_local_class(x):
    class Local(Unlike):
        pass

    return x, caught(x, Local(x, where="there"))


def told_of(result):
    """All that a result tells of the exception in it."""
    while not isinstance(result, BaseException):
        parts = vars(result) if isinstance(result, Holding) else result
        result = list(parts.values() if isinstance(parts, dict) else parts)[-1]
    members = result.exceptions if isinstance(result, ExceptionGroup) else ()
    return (
        *(type(result).__name__, str(result), vars(result), [told_of(one) for one in members]),
        [place.name for place in traceback.extract_tb(result.__traceback__)],
        *(repr(result.__cause__), repr(result.__context__), result.__suppress_context__),
    )


@pytest.mark.parametrize(
    "func",
    [
        *(alone, beside_others, in_an_object, with_its_own_constructor, of_a_group),
        of_a_local_class,
    ],
    ids=lambda func: func.__name__,
)
def test_an_exception_in_a_result_arrives_as_in_the_loop(func):
    """Its traceback, its notes and its causes are there, wherever in the result it lies."""
    results = tuned_map(func, range(4), backend="process", n_jobs=2)
    assert [told_of(one) for one in results] == [told_of(func(x)) for x in range(4)]


def twice(x):
    error, rows = caught(x, ValueError(x)), [x]
    error.rows = rows
    return error, rows, error


def test_what_an_exception_and_its_result_share_stays_one():
    for first, rows, again in tuned_map(twice, range(4), backend="process", n_jobs=2):
        assert first is again
        assert first.rows is rows


class TellsHow(Exception):
    def __init__(self, text, lock):
        super().__init__(text)
        self.lock = lock

    def __reduce__(self):
        return TellsHow, (self.args[0], None)


def with_a_lock(x):
    return x, caught(x, TellsHow("locked", threading.Lock()))


def test_an_exception_that_tells_how_it_is_pickled_is_asked():
    for number, error in tuned_map(with_a_lock, range(4), backend="process", n_jobs=2):
        assert (error.lock, error.__notes__) == (None, [f"of {number}"])
        assert isinstance(error.__cause__, KeyError)
