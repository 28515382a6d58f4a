"""Functions that wait while others could come upon the same object."""

import contextvars
import enum
import functools
import itertools
import logging
import queue
import threading
import time

from thirdparty import clients, plotting, texts

from .casebook import ANYWHERE, CALLER, PROCESSES, THREADS, of_kind

case = of_kind("waits", __name__, right=PROCESSES)
N = 50
WAIT_S = 0.006


class Parser:
    """One document at a time, forgotten afterwards."""

    def __init__(self):
        self.current = None

    def parse(self, k):
        self.current = k
        time.sleep(WAIT_S)
        k, self.current = self.current, None
        return k


parser = Parser()


@case(range(N))
def one_parser(k):
    return parser.parse(k)


case(range(N), name="bound_to_parser", made=lambda: parser.parse)(None)
case(range(N), name="partial_of_parser", made=lambda: functools.partial(Parser.parse, parser))(None)


def parse_with(text, helper):
    return helper.parse(text)


def parse_pair(pair):
    helper, text = pair
    return helper.parse(text)


case(range(N), kwargs={"helper": parser}, name="parser_by_keyword")(parse_with)
case(lambda: [(parser, k) for k in range(N)], name="parser_in_items")(parse_pair)
case(range(N), lambda: itertools.repeat(parser), name="parser_beside_items")(parse_with)


class Document:
    """Knows the session it is from."""

    def __init__(self, session, k):
        self.session, self.k = session, k

    def text(self):
        return self.session.parse(self.k)


case(lambda: [Document(parser, k) for k in range(N)], name="documents_of_one")(
    lambda document: document.text()
)
case(lambda: [Document(parser, k).text for k in range(N)], name="methods_as_items")(
    lambda method: method()
)


@case(range(N))
def in_attribute(k):
    return in_attribute.parser.parse(k)


in_attribute.parser = parser


@case(range(N))
def in_default(k, *, helper=parser):
    return helper.parse(k)


class Tools(enum.Enum):
    """A helper as a member's value."""

    PARSER = Parser()


@case(range(N))
def in_member(k):
    return Tools.PARSER.value.parse(k)


_current = contextvars.ContextVar("parser", default=parser)


@case(range(N))
def in_context_default(k):
    return _current.get().parse(k)


def with_parser(helper):
    return lambda k: helper.parse(k)


case(range(N), name="in_closure", made=lambda: with_parser(Parser()))(None)


@functools.lru_cache(maxsize=8)
def made_once(name):
    return Parser()


@case(range(N))
def in_cache(k):
    return made_once("main").parse(k)


class Tagged(logging.LoggerAdapter):
    """Carries the current item."""

    def process(self, message, kwargs):
        time.sleep(WAIT_S)
        return f"{message} of {self.extra['item']}", kwargs


tagged = Tagged(logging.getLogger("office.tagged"), {"item": None})


@case(range(N), right=CALLER)
def in_logger(k):
    tagged.extra["item"] = k
    return tagged.process("row", {})[0]


class Numbered:
    """Counts through its class."""

    n = 0

    def take(self):
        seen = type(self).n
        time.sleep(WAIT_S)
        type(self).n = seen + 1
        return seen


case(lambda: [Numbered() for _ in range(N)], name="class_counter", right=CALLER)(
    lambda one: one.take()
)


@case(range(N), right=CALLER)
def in_late_import(k):
    from . import ledger

    before = ledger.total
    time.sleep(WAIT_S)
    ledger.total = before + k
    return ledger.total


# -- other people's modules ----------------------------------------------------------------------


@case(range(N))
def drawn(k):
    plotting.figure(f"figure {k}")
    plotting.plot(k, k + 1)
    time.sleep(WAIT_S)
    plotting.plot(k + 2)
    plotting.savefig(f"figure{k}.txt")
    plotting.close()


fed = texts.Parser()


@case(range(N))
def fed_in_parts(k):
    fed.feed(f"<{k}>")
    time.sleep(WAIT_S)
    fed.feed(f"</{k}>")
    return fed.close()


@case(range(N))
def through_module_session(k):
    return clients.get(f"/items/{k}")


@case(range(N), right=CALLER)
def one_session(k):
    return session.get(f"/items/{k}"), session.n_requests


session = clients.Session()


@case(range(N))
def in_language(k):
    texts.set_language(("en", "de", "fr")[k % 3])
    time.sleep(WAIT_S)
    word = texts.word()
    texts.set_language("en")
    return word


@case(range(N), setup=lambda: texts.activate("de"))
def in_threads_language(_):
    """The caller's thread has chosen a language."""
    time.sleep(WAIT_S)
    return texts.translated()


@case(range(N), right=CALLER, effects=lambda: len(clients.OPENED))
def connection_of_thread(k):
    """One connection in the loop."""
    return clients.connection().get(f"/{k}")


# -- what is made for threads --------------------------------------------------------------------

lock = threading.Lock()
limiter = clients.Limiter(400)
slots = threading.BoundedSemaphore(4)
pool = queue.Queue()
total = 0
seen = set()


@case(range(N), right=THREADS)
def locked_total(k):
    global total
    time.sleep(WAIT_S)
    with lock:
        total += k


@case(range(N), right=THREADS)
def locked_set(k):
    time.sleep(WAIT_S)
    with lock:
        is_new = k not in seen
        seen.add(k)
    return is_new


class Turns:
    """Numbers, each once, under a lock."""

    def __init__(self):
        self.lock, self.n = threading.Lock(), 0

    def next(self):
        with self.lock:
            n = self.n
            time.sleep(0.0005)
            self.n = n + 1


own_turns = Turns()


@case(range(N), right=THREADS)
def turns(k):
    own_turns.next()
    time.sleep(WAIT_S)
    return k


@case(range(N), right=THREADS, effects=lambda: limiter.n, ignored=("limiter",))
def limited_rate(k):
    """A limiter's turns: each once, whoever has it."""
    limiter.turn()
    time.sleep(0.004)
    return k


@case(range(N), right=THREADS)
def few_at_once(k):
    with slots:
        time.sleep(WAIT_S)
        return k


def fill_pool():
    for k in range(4):
        pool.put(Parser())


@case(range(N), right=THREADS, setup=fill_pool, effects=lambda: pool.qsize())
def pooled_parser(k):
    helper = pool.get()
    try:
        return helper.parse(k)
    finally:
        pool.put(helper)


reentrant = threading.RLock()


@case(range(N), right=CALLER, around=lambda: reentrant)
def under_callers_lock(k):
    """The caller holds the lock that items take again."""
    time.sleep(WAIT_S)
    with reentrant:
        return k


class Store:
    """Maps while it holds its own lock."""

    def __init__(self):
        self.lock = threading.RLock()

    def fetch(self, k):
        time.sleep(WAIT_S)
        with self.lock:
            return k


store = Store()
case(range(N), name="under_own_lock", right=CALLER, around=lambda: store.lock,
     made=lambda: store.fetch)(None)  # fmt: skip


@case(range(N), right=ANYWHERE)
def free_lock(k):
    """The same lock, held by nobody."""
    time.sleep(WAIT_S)
    with reentrant:
        return k
