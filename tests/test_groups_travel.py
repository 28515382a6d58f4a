"""Groups of exceptions arrive as groups, whatever their members and their classes are."""

import threading

import pytest

from amorsize import RemoteError, tuned_map
from amorsize._workers.messages import exception_pickling
from benchmarks.fault_items import CarriesLock, OddConstructor


def there_and_back(error):
    """A group as it arrives from a worker."""
    try:
        raise error
    except BaseException as raised:
        return exception_pickling.unpack_error(exception_pickling.pack_error(raised))[0]


class Coded(ExceptionGroup):
    """Its constructor takes more than a message and members."""

    def __new__(cls, message, errors, code):
        made = super().__new__(cls, message, errors)
        made.code = code
        return made

    def derive(self, excs):
        return Coded(self.message, excs, self.code)


class Wrapping(ExceptionGroup):
    """Its members are others than those that it was made of."""

    def __new__(cls, errors):
        return super().__new__(cls, "wrapped", [OddConstructor("in", one) for one in errors])


class Locking(BaseExceptionGroup):
    """Holds what cannot be pickled, beside its members."""

    def __init__(self, *_):
        self.lock = threading.Lock()


class Absent(ValueError):
    """Only the worker has it."""


def shape(error):
    """Types and texts of a group and of all that is in it."""
    if isinstance(error, BaseExceptionGroup):
        return type(error).__name__, error.message, [shape(one) for one in error.exceptions]
    return type(error).__name__, str(error)[:20]


LOST = "RemoteError", "benchmarks.fault_ite"


@pytest.mark.parametrize(
    ("group", "arrives"),
    [
        (
            ExceptionGroup("two", [CarriesLock("a"), ValueError(1)]),
            ("ExceptionGroup", "two", [LOST, ("ValueError", "1")]),
        ),
        (
            ExceptionGroup("out", [ExceptionGroup("in", [CarriesLock("a")]), KeyError(1)]),
            ("ExceptionGroup", "out", [("ExceptionGroup", "in", [LOST]), ("KeyError", "1")]),
        ),
        (
            BaseExceptionGroup("grave", [CarriesLock("a"), SystemExit(3)]),
            ("BaseExceptionGroup", "grave", [LOST, ("SystemExit", "3")]),
        ),
        (
            Coded("own", [CarriesLock("a"), Coded("in", [ValueError(1)], 2)], 1),
            ("Coded", "own", [LOST, ("Coded", "in", [("ValueError", "1")])]),
        ),
    ],
    ids=["plain", "nested", "grave", "own constructor"],
)
def test_a_member_that_cannot_travel_has_a_stand_in(group, arrives):
    """The group and its other members are whole."""
    rebuilt = there_and_back(group)

    assert shape(rebuilt) == arrives
    assert rebuilt.__dict__ == group.__dict__


def test_a_group_with_members_of_its_own_making_is_not_made_again():
    """Its class would put other members around them, or refuse stand-ins."""
    rebuilt = there_and_back(Wrapping([1]))

    assert shape(rebuilt) == ("Wrapping", "wrapped", [("OddConstructor", "in number 1")])
    assert rebuilt.args == ([1],)


@pytest.mark.parametrize("members", [[ValueError(1)], [SystemExit(2), CarriesLock("a")]])
def test_a_group_that_cannot_travel_itself_leaves_its_members(members):
    """They are in a plain group, which tells what it stands for."""
    rebuilt = there_and_back(Locking("own", members))

    assert isinstance(rebuilt, BaseExceptionGroup)
    assert "test_groups_travel.Locking: own" in rebuilt.message
    assert "lock" in rebuilt.message
    assert type(rebuilt.exceptions[0]) is type(members[0])
    assert rebuilt.exceptions[0].args == members[0].args


def test_a_member_that_the_caller_cannot_rebuild_has_a_stand_in(monkeypatch):
    """Its class, say, exists in the worker alone."""
    packed = exception_pickling.pack_error(ExceptionGroup("two", [Absent(1), ValueError(2)]))
    monkeypatch.delitem(globals(), "Absent")
    rebuilt, _ = exception_pickling.unpack_error(packed)

    assert shape(rebuilt) == (
        "ExceptionGroup",
        "two",
        [("RemoteError", "test_groups_travel.A"[:20]), ("ValueError", "2")],
    )


def test_a_group_that_the_caller_cannot_rebuild_leaves_its_members(monkeypatch):
    """As where the worker cannot pickle it."""
    packed = exception_pickling.pack_error(Coded("own", [ValueError(2)], 1))
    monkeypatch.delitem(globals(), "Coded")
    rebuilt, _ = exception_pickling.unpack_error(packed)

    assert "test_groups_travel.Coded: own" in rebuilt.message
    assert shape(rebuilt)[2] == [("ValueError", "2")]


@pytest.mark.parametrize("n_lost", [0, 1])
def test_a_group_of_more_members_than_are_sent_alone_arrives(monkeypatch, n_lost):
    """Whole if pickle can do that; else those that are missing are told."""
    monkeypatch.setattr(exception_pickling, "MOST_LINKS", 4)
    members = [*map(ValueError, range(6)), *[CarriesLock("a")] * n_lost]
    found = there_and_back(ExceptionGroup("many", members)).exceptions

    assert [type(one) for one in found[:3]] == [ValueError] * 3
    assert [type(one) for one in found[3:]] == [RemoteError if n_lost else ValueError] * (
        3 + n_lost
    )


def test_a_member_that_the_group_knows_by_another_name_is_one_exception():
    """As it was in the worker."""
    member = ValueError(1)
    group = ExceptionGroup("two", [CarriesLock("a"), member])
    group.worst = member
    rebuilt = there_and_back(group)

    assert rebuilt.worst is rebuilt.exceptions[1]


def test_a_member_that_is_there_twice_is_one_exception():
    """In both places, and the others in theirs."""
    first, second = CarriesLock("a"), ValueError(1)
    found = there_and_back(ExceptionGroup("four", [first, first, second, first])).exceptions

    assert [type(one) for one in found] == [RemoteError, RemoteError, ValueError, RemoteError]
    assert found[0] is found[1] is found[3]


@pytest.mark.parametrize("n_deep", [3, 300])
def test_groups_in_groups_arrive_however_deep(n_deep):
    """What cannot travel is the innermost."""
    group = ExceptionGroup("0", [CarriesLock("a")])
    for number in range(1, n_deep):
        group = ExceptionGroup(str(number), [group])
    rebuilt = there_and_back(group)
    for number in reversed(range(n_deep)):
        assert rebuilt.message == str(number)
        (rebuilt,) = rebuilt.exceptions
    assert isinstance(rebuilt, RemoteError)


def fail(item):
    """Raises a group with a note and a cause; its members failed in lines of their own."""

    def met(error):
        try:
            raise error
        except type(error):
            return error

    members = [met(CarriesLock(f"lock of {item}")), met(ValueError(item))]
    group = ExceptionGroup("all", [*members, ExceptionGroup("inner", [met(KeyError(item))])])
    group.add_note("a note")
    members[0].add_note("a note")
    raise group from members[0]


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_each_member_meets_the_clause_that_it_would_in_a_loop(backend):
    """`except*` takes the group apart; tracebacks, notes and causes are there."""
    taken = {}
    try:
        tuned_map(fail, [7] * 3, backend=backend)
    except* ValueError as found:
        taken["value"] = found
    except* KeyError as found:
        taken["key"] = found
    except* (CarriesLock, RemoteError) as found:
        taken["lost"] = found

    assert {name: group.message for name, group in taken.items()} == dict.fromkeys(
        ["value", "key", "lost"], "all"
    )
    assert taken["value"].exceptions[0].args == (7,)
    assert "a note" in taken["value"].__notes__
    (lost,) = taken["lost"].exceptions
    assert "lock of 7" in str(lost)
    assert taken["lost"].__cause__ is lost
    for one in (lost, taken["value"].exceptions[0]):
        assert one.__traceback__.tb_frame.f_code.co_name == "met"


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_a_group_kept_as_a_result_is_one(backend):
    """As one that is raised."""
    kept = tuned_map(fail, range(3), backend=backend, return_exceptions=True)

    assert [one.exceptions[1].args for one in kept] == [(0,), (1,), (2,)]
