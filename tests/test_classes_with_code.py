"""Classes that a worker cannot import arrive there, and come back, as the program has them."""

import pytest

CLASSES = """
import abc, collections, dataclasses, enum, functools, threading, typing
from amorsize import tuned_map


class Slotted:
    __slots__ = ("a", "__hidden")


class Bare(Slotted):
    __slots__ = ()


class Open(Slotted):
    pass


@dataclasses.dataclass(slots=True)
class Point:
    x: int = 0


class Field:
    def __set_name__(self, owner, name):
        self.name = name


class Form:
    zip = Field()
    age = Field()


class Longer(Form):
    beta = 1
    alpha = 2
    age = Form.age


class Plugin:
    known = []

    def __init_subclass__(cls, *, title, **rest):
        super().__init_subclass__(**rest)
        cls.title = title
        Plugin.known.append(cls)


class First(Plugin, title="first"):
    pass


class Second(First, title="second"):
    pass


class Listed(type):
    made = []

    def __new__(meta, name, bases, body, *, kind):
        cls = super().__new__(meta, name, bases, body)
        cls.fields = [key for key in body if not key.startswith("_")]
        cls.kind = kind
        Listed.made.append(name)
        return cls

    def __init__(cls, name, bases, body, *, kind):
        super().__init__(name, bases, body)


class Table(metaclass=Listed, kind="table"):
    b = 1
    a = 2


class AbstractListed(abc.ABCMeta):
    def __new__(meta, name, bases, body, **options):
        cls = super().__new__(meta, name, bases, body)
        cls.options = options
        return cls


class Shape(metaclass=AbstractListed, sides=0):
    @abc.abstractmethod
    def area(self): ...


class Square(Shape, sides=4):
    def area(self):
        return self.options["sides"]


class Box(typing.Generic[typing.TypeVar("Content")]):
    __slots__ = ("content",)


class Boxed(Box[int]):
    pass


class Pair(typing.NamedTuple):
    left: int
    right: int = 2


class Options(typing.TypedDict, total=False):
    size: int


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    ROT = 1


class Planet(enum.Enum):
    EARTH = (5.9, 6.3)
    TERRA = (5.9, 6.3)
    MARS = (0.6, 3.3)

    def __init__(self, mass, radius):
        self.mass = mass


class Coordinate(bytes, enum.Enum):
    X = (0, "x axis")
    Y = (1, "y axis")

    def __new__(cls, value, label):
        made = bytes.__new__(cls, [value])
        made._value_ = value
        made.label = label
        return made


class Couple(tuple, enum.Enum):
    ONE = (1, 2)


class Rights(enum.Flag, boundary=enum.CONFORM):
    READ = 4
    WRITE = 2
    BOTH = 6


class Numbers(enum.IntEnum):
    ONE = 1
    EINS = 1

    @classmethod
    def _missing_(cls, value):
        return cls.ONE


def refused(act):
    try:
        return f"took {act()!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def put(one):
    one.other = 1


FACTS = {
    "a slotted class refuses": lambda: refused(lambda: put(Slotted())),
    "its subclass with slots": lambda: refused(lambda: put(Bare())),
    "its subclass without": lambda: refused(lambda: put(Open())),
    "a dataclass with slots": lambda: refused(lambda: vars(Point())),
    "names in their order": lambda: [key for key, one in vars(Form).items() if type(one) is Field],
    "what a base class has, too": lambda: [key for key in vars(Longer) if key[0] != "_"],
    "keywords of a class": lambda: (First.title, Second.title),
    "a registry": lambda: [one.__name__ for one in Plugin.known],
    "the registered": lambda: (Plugin.known[0] is First, Plugin.known[1] is Second),
    "subclasses": lambda: [one.__name__ for one in Plugin.__subclasses__()],
    "keywords of a metaclass": lambda: (Table.kind, Table.fields, Listed.made),
    "an abstract class": lambda: refused(Shape),
    "a concrete one": lambda: (Square().area(), Shape.options),
    "a generic class": lambda: (Boxed.__orig_bases__, refused(lambda: put(Box()))),
    "a named tuple": lambda: (Pair(1), Pair(1)._replace(left=3)),
    "a typed dict": lambda: (Options(size=1), Options.__optional_keys__),
    "an alias of a member": lambda: (Color.ROT, Color["ROT"], list(Color.__members__)),
    "what a member was made with": lambda: (Planet["TERRA"], Planet.MARS.mass, len(Planet)),
    "members of a builtin type": lambda: (Coordinate.Y.label, Coordinate(1).name),
    "members that are tuples": lambda: (Couple((1, 2)), Couple.ONE + (3,)),
    "flags": lambda: (Rights(7), Rights.READ | Rights.WRITE, list(Rights), Rights["BOTH"]),
    "what is missing": lambda: (Numbers(9), Numbers["EINS"], Numbers.ONE + 1),
    "qualified names": lambda: [one.__qualname__ for one in (Slotted, Color, Pair, Second)],
}


def facts(_):
    return {name: repr(fact()) for name, fact in FACTS.items()}


expected = facts(0)
"""

BESIDE = "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"


def test_classes_of_a_script_in_new_interpreters(run_script):
    told = run_script(
        f"""{CLASSES}{BESIDE}
for call in range(2):
    for found in tuned_map(facts, [0, 1], backend="process", n_jobs=1):
        print(*[(key, one, expected[key]) for key, one in found.items() if one != expected[key]])
""",
        environ={"PYTHONWARNINGS": "ignore"},
    )
    assert told.stdout == "\n" * 4


LOCAL = """
import dataclasses, enum, functools, threading, typing
from amorsize import tuned_map


def told(one):
    return one


def make(number):
    @dataclasses.dataclass
    class Point:
        x: int

    class Pair(typing.NamedTuple):
        y: int

        def twice(self):
            return self.y * 2

    class Color(enum.Enum):
        RED = 1
        ROT = 1

    class Slotted:
        __slots__ = ("value",)

        @functools.wraps(told)
        def told(self):
            return self.value

    slotted = Slotted()
    slotted.value = number
    return Point(number), Pair(number), Color.RED, slotted


def facts(made):
    point, pair, color, slotted = made
    return (
        repr(point), repr(pair), pair.twice(), repr(color), list(type(color).__members__),
        type(slotted).__qualname__, hasattr(slotted, "__dict__"), slotted.told(),
    )


expected = [facts(make(number)) for number in range(4)]
"""


@pytest.mark.parametrize("beside", ["", BESIDE], ids=["forked", "new interpreters"])
def test_results_of_local_classes(beside, run_script):
    told = run_script(
        f"""{LOCAL}{beside}
made = tuned_map(make, range(4), backend="process", n_jobs=2)
print(*[pair for pair in zip(map(facts, made), expected) if pair[0] != pair[1]])
""",
        environ={"PYTHONWARNINGS": "ignore"},
    )
    assert told.stdout == "\n"


KEEPING = """
import dataclasses, threading
from amorsize import tuned_map


@dataclasses.dataclass
class Base:
    x: int
    rows = []


def make(number):
    @dataclasses.dataclass
    class Local(Base):
        y: int = 0

    return Local(number), Base(number)


rows, fields = Base.rows, dataclasses.fields(Base)
"""


@pytest.mark.parametrize("beside", ["", BESIDE], ids=["forked", "new interpreters"])
def test_results_with_code_leave_classes_of_the_program_alone(beside, run_script):
    told = run_script(
        f"""{KEEPING}{beside}
(local, base), *_ = tuned_map(make, range(3), backend="process", n_jobs=1)
print(Base.rows is rows, dataclasses.fields(Base) == fields, type(base) is Base, local)
print([one.default is dataclasses.MISSING for one in dataclasses.fields(local)])
""",
        environ={"PYTHONWARNINGS": "ignore"},
    )
    assert told.stdout == "True True True make.<locals>.Local(x=0, y=0)\n[True, False]\n"
