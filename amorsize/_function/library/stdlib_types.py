"""What a value of the standard library is when several items reach the same one: by type.

A rule is one line and the names of the types below it. The line says what such a value is; the
word `threads` after it where its documentation lets threads share it; why it matters (it completes
"items reach a NAME, which ..."); and where that is said. For the form of sources and names see
`stdlib_effects`. A subclass is what its base is.
"""

from __future__ import annotations

HOLDINGS = """
safe threads | cannot change | py:stdtypes
    builtins.NoneType@hidden builtins.bool builtins.int builtins.float builtins.complex
    builtins.str builtins.bytes builtins.range builtins.slice builtins.ellipsis@hidden
    builtins.NotImplementedType@hidden builtins.code@hidden datetime.date datetime.time
    datetime.timedelta datetime.tzinfo zoneinfo.ZoneInfo decimal.Decimal fractions.Fraction
    uuid.UUID pathlib.PurePath ipaddress.IPv4Address ipaddress.IPv6Address ipaddress.IPv4Network
    ipaddress.IPv6Network struct.Struct re.Pattern re.Match types.GenericAlias types.UnionType
    typing._GenericAlias typing.TypeVar string.Formatter string.Template operator.itemgetter
    operator.attrgetter operator.methodcaller random.SystemRandom secrets.SystemRandom
    decimal.DecimalTuple os.stat_result time.struct_time urllib.parse.ParseResult
    urllib.parse.SplitResult
safe threads | takes the locks of its handlers | py:logging#thread-safety
    logging.Logger logging.LoggerAdapter logging.Formatter logging.NullHandler
safe threads | only encodes and decodes | py:json#encoders-and-decoders
    json.JSONEncoder json.JSONDecoder codecs.CodecInfo

lock threads | is made to be shared by threads, while a forked copy guards nothing
  | py:threading#lock-objects
    _thread.lock@hidden threading.Condition threading.Event threading.Semaphore
    threading.Barrier

rlock threads | belongs to the thread that holds it, and a forked copy guards nothing
  | py:threading#rlock-objects
    _thread.RLock@hidden threading._RLock

handle | is an open file with one position | py:io#multi-threading
    io.IOBase tempfile._TemporaryFileWrapper tempfile.SpooledTemporaryFile
    codecs.StreamReaderWriter codecs.StreamReader codecs.StreamWriter codecs.StreamRecoder
    fileinput.FileInput wave.Wave_read wave.Wave_write os.ScandirIterator@hidden
handle | is open and has one position | py:zipfile
    zipfile.ZipFile zipfile.ZipExtFile zipfile.Path tarfile.TarFile gzip.GzipFile bz2.BZ2File
    lzma.LZMAFile mmap.mmap
handle | keeps what it has read or compressed so far | py:zlib
    zlib.Compress@hidden zlib.Decompress@hidden bz2.BZ2Compressor bz2.BZ2Decompressor
    lzma.LZMACompressor lzma.LZMADecompressor codecs.IncrementalEncoder
    codecs.IncrementalDecoder hashlib.HASH@hidden hashlib.blake2b hashlib.blake2s hmac.HMAC
    xml.parsers.expat.xmlparser@hidden xml.etree.ElementTree.XMLParser
    xml.etree.ElementTree.XMLPullParser xml.sax.xmlreader.XMLReader html.parser.HTMLParser
    email.feedparser.FeedParser xml.etree.ElementTree.TreeBuilder io.IncrementalNewlineDecoder
    shlex.shlex graphlib.TopologicalSorter sched.scheduler
handle | reads from or writes to an open file | py:csv#reader-objects
    csv.reader@hidden csv.writer@hidden csv.Writer@hidden csv.DictReader csv.DictWriter
    pickle.Pickler pickle.Unpickler
handle | is a connection: what is sent and received over it by several items mixes | py:socket
    socket.socket ssl.SSLObject ssl.SSLSocket http.client.HTTPConnection
    http.client.HTTPResponse ftplib.FTP smtplib.SMTP poplib.POP3 imaplib.IMAP4
    xmlrpc.client.ServerProxy socketserver.BaseServer asyncio.StreamReader asyncio.StreamWriter
    telnetlib.Telnet@-3.13
handle threads | opens connections with what it has been set up with, and may keep cookies
  | py:urllib.request#urllib.request.OpenerDirector
    urllib.request.OpenerDirector ssl.SSLContext
handle | watches descriptors of this process | py:select
    select.epoll@linux select.poll@hidden select.kqueue@darwin selectors.BaseSelector
handle | is a database connection, which belongs to the thread that opened it
  | py:sqlite3#sqlite3.connect
    sqlite3.Connection sqlite3.Cursor sqlite3.Blob@3.11
handle | is an open database file | py:dbm
    shelve.Shelf dbm.dumb._Database dbm.gnu.gdbm@hidden dbm.ndbm.dbm@hidden
    dbm.sqlite3._Database@3.13
handle | is a running program with pipes to it | py:subprocess#popen-objects
    subprocess.Popen asyncio.subprocess.Process multiprocessing.process.BaseProcess
handle | is one end of a pipe: what several items send over it mixes
  | py:multiprocessing#multiprocessing.connection.Connection
    multiprocessing.connection._ConnectionBase multiprocessing.connection.Listener
handle threads | connects processes, and a forked copy may hold its locks for ever
  | py:multiprocessing#pipes-and-queues
    multiprocessing.queues.Queue multiprocessing.queues.SimpleQueue multiprocessing.pool.Pool
    multiprocessing.managers.BaseManager multiprocessing.managers.BaseProxy
    multiprocessing.synchronize.SemLock multiprocessing.synchronize.Condition
    multiprocessing.synchronize.Event multiprocessing.synchronize.Barrier
    multiprocessing.shared_memory.SharedMemory multiprocessing.sharedctypes.SynchronizedBase
handle threads | has workers of its own, which a forked copy has not
  | py:concurrent.futures#executor-objects
    concurrent.futures.Executor concurrent.futures.Future threading.Thread
handle threads | writes to a stream or file of the program | py:logging.handlers
    logging.Handler
handle | lies in memory that C code may have as well | py:ctypes
    ctypes._SimpleCData ctypes.Structure ctypes.Union ctypes.Array
handle | belongs to the thread that made the window | py:tkinter#threading-model
    tkinter.* turtle.*

iterator | moves on each time an item takes from it | py:stdtypes#iterator-types
    builtins.generator@hidden builtins.coroutine@hidden builtins.async_generator@hidden
    builtins.enumerate builtins.zip builtins.map builtins.filter builtins.reversed
    builtins.list_iterator@hidden builtins.list_reverseiterator@hidden
    builtins.tuple_iterator@hidden builtins.set_iterator@hidden builtins.range_iterator@hidden
    builtins.longrange_iterator@hidden builtins.dict_keyiterator@hidden
    builtins.dict_valueiterator@hidden builtins.dict_itemiterator@hidden
    builtins.dict_reversekeyiterator@hidden builtins.dict_reversevalueiterator@hidden
    builtins.dict_reverseitemiterator@hidden builtins.str_ascii_iterator@hidden
    builtins.str_iterator@hidden builtins.bytes_iterator@hidden
    builtins.bytearray_iterator@hidden builtins.callable_iterator@hidden
    builtins.iterator@hidden builtins.memory_iterator@hidden array.arrayiterator@hidden
    collections._deque_iterator@hidden collections._deque_reverse_iterator@hidden itertools.*
    collections.abc.Iterator collections.abc.AsyncIterator re.Scanner re.SRE_Scanner@hidden

generator | is one random generator: its next number depends on who drew before
  | py:random#random.Random
    random.Random

queue threads | is made to be shared by threads, while what is put into a copy is lost | py:queue
    queue.Queue queue.SimpleQueue
queue | belongs to one event loop | py:asyncio-queue
    asyncio.Queue asyncio.Lock asyncio.Event asyncio.Condition asyncio.Semaphore
    asyncio.Barrier@3.11 asyncio.Future asyncio.Task asyncio.AbstractEventLoop
    asyncio.TaskGroup@3.11 asyncio.Runner@3.11

local threads | holds something else in each thread or context
  | py:threading#thread-local-data
    _thread._local threading.local contextvars.ContextVar contextvars.Token

mutable | may change while others read it | py:stdtypes
    builtins.list builtins.dict builtins.set builtins.bytearray builtins.memoryview
    collections.deque collections.UserDict collections.UserList collections.abc.MutableMapping
    collections.abc.MutableSequence collections.abc.MutableSet array.array io.StringIO
    io.BytesIO types.SimpleNamespace weakref.WeakKeyDictionary weakref.WeakValueDictionary
    weakref.WeakSet collections.ChainMap email.message.Message xml.etree.ElementTree.Element
    xml.dom.minidom.Node configparser.RawConfigParser http.cookiejar.CookieJar
    argparse.Namespace unittest.mock.NonCallableMock decimal.Context contextvars.Context
mutable | may keep something in C code | py:ctypes#foreign-functions
    ctypes.CDLL
mutable threads | is the environment of the whole program, which any item may change
  | py:os#os.environ
    os._Environ
"""
