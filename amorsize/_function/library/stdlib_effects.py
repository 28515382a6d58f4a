"""What functions of the standard library do beside computing: data of `library_effects`.

A rule is one line and the names below it. The line says what they do in one word, why that matters
(it completes "an item calls NAME, which ..."), and where that is said; a source that begins with
"py:" is a page of docs.python.org/3/library. `NAME.*` stands for everything in a module or class
and below it; the longest name that fits decides. A name may end in a mark: `@3.12` is there from
that version on, `@-3.13` until before it, `@nt`, `@linux` or `@darwin` on such systems alone, and
`@hidden` marks a type that no module publishes.
"""

from __future__ import annotations

# Modules that only implement what another one publishes.
PUBLIC = {
    **{"posix": "os", "nt": "os", "posixpath": "os.path", "ntpath": "os.path"},
    **{"genericpath": "os.path", "pathlib._local": "pathlib", "pathlib._abc": "pathlib"},
    **{"_io": "io", "_pyio": "io", "_socket": "socket", "_ssl": "ssl", "_sqlite3": "sqlite3"},
    **{"_signal": "signal", "_locale": "locale", "_warnings": "warnings", "_csv": "csv"},
    **{"_random": "random", "_hashlib": "hashlib", "_md5": "hashlib", "_sha1": "hashlib"},
    **{"_sha2": "hashlib", "_sha256": "hashlib", "_sha512": "hashlib", "_sha3": "hashlib"},
    **{"_blake2": "hashlib", "_struct": "struct", "_json": "json", "_pickle": "pickle"},
    **{"_heapq": "heapq", "_bisect": "bisect", "_operator": "operator", "_sre": "re"},
    **{"_functools": "functools", "_collections": "collections", "_statistics": "statistics"},
    **{"_collections_abc": "collections.abc", "_datetime": "datetime", "_pydatetime": "datetime"},
    **{"_zoneinfo": "zoneinfo", "_decimal": "decimal", "_pydecimal": "decimal"},
    **{"_queue": "queue", "_contextvars": "contextvars", "_weakref": "weakref"},
    **{"_weakrefset": "weakref", "_asyncio": "asyncio", "_bz2": "bz2", "_lzma": "lzma"},
    **{"_codecs": "codecs", "_uuid": "uuid", "_elementtree": "xml.etree.ElementTree"},
    **{"pyexpat": "xml.parsers.expat", "_tracemalloc": "tracemalloc", "_crypt": "crypt"},
    **{"_ctypes": "ctypes", "_tkinter": "tkinter", "_curses": "curses", "_abc": "abc"},
    **{"_gdbm": "dbm.gnu", "_dbm": "dbm.ndbm", "_compression": "io", "_strptime": "time"},
    **{"_multiprocessing": "multiprocessing", "_pickle_compat": "pickle", "_string": "string"},
    **{"_py_warnings": "warnings", "_pylong": "builtins", "_stat": "stat", "_typing": "typing"},
    **{"zipfile._path": "zipfile", "re._compiler": "re", "re._parser": "re"},
}

# Objects whose methods a module publishes as its functions.
INSTANCES = {
    "random._inst": "random",
    "numpy.random.mtrand._rand": "numpy.random",
    "torch.random.default_generator": "torch",
    "sys.stdin": "sys.stdin",
    "sys.__stdin__": "sys.stdin",
}

# Modules whose functions do not say where they are from.
NAMELESS = ("cv2", "numpy", "scipy.special")

# Not judged, though all else in their module is: what they do depends on what they are given (a
# number of a descriptor or of a process, a name), or libraries use them rightly all the time
# (`logging` asks for the number of the process, `numpy.errstate` sets a variable of the context).
UNKNOWN = """
    builtins.eval builtins.exec builtins.setattr builtins.delattr builtins.globals builtins.vars
    builtins.__import__ builtins.object.__setattr__ builtins.object.__delattr__
    builtins.type.__setattr__ builtins.type.__delattr__ builtins.type builtins.super os.getpid
    os.read os.write os.readv os.writev os.lseek os.sendfile os.dup os.kill os.waitpid os.waitid
    contextvars.ContextVar.set contextvars.ContextVar.reset contextvars.Context.run
    asyncio.get_running_loop asyncio._get_running_loop asyncio._set_running_loop
    asyncio.set_event_loop asyncio.create_task asyncio.ensure_future asyncio.current_task
    concurrent.futures.ProcessPoolExecutor operator.call@3.11 importlib.import_module
    importlib.__import__
"""

EFFECTS = """
process | changes the current folder of the whole program | py:os#os.chdir
    os.chdir os.fchdir os.chroot contextlib.chdir contextlib.chdir.*
process | changes the folder of the whole program while it packs | py:shutil#shutil.make_archive
    shutil.make_archive
process | changes which rights new files get, for the whole program | py:os#os.umask
    os.umask
process | changes the environment of the whole program | py:os#os.environ
    os._Environ.__setitem__ os._Environ.__delitem__ os._Environ.setdefault
    os._Environ.update os._Environ.pop os._Environ.popitem os._Environ.clear os._Environ.__ior__
process | replaces or closes file descriptors of the whole program
  | py:os#file-descriptor-operations
    os.dup2 os.closerange
process | changes the rights, the limits or the priority of the whole program
  | py:os#process-parameters
    os.setuid os.setgid os.seteuid os.setegid os.setreuid os.setregid os.setresuid os.setresgid
    os.setgroups os.initgroups os.nice os.setpriority os.setpgid os.setpgrp os.setsid
    os.sched_setaffinity os.sched_setscheduler os.sched_setparam os.setns@3.12 os.unshare@3.12
    resource.setrlimit resource.prlimit
process | replaces a standard stream of the whole program for a while
  | py:contextlib#contextlib.redirect_stdout
    contextlib.redirect_stdout contextlib.redirect_stderr contextlib._RedirectStream.*
process | changes the filters of warnings of the whole program | py:warnings#warnings.catch_warnings
    warnings.catch_warnings warnings.catch_warnings.* warnings.simplefilter
    warnings.filterwarnings warnings.resetwarnings
process | changes the locale of the whole program | py:locale#locale.setlocale
    locale.setlocale locale.textdomain locale.bindtextdomain gettext.install gettext.textdomain
    gettext.bindtextdomain locale.resetlocale@-3.13
process | sets a timer of the whole program, whose signal the main thread handles
  | py:signal#signal.setitimer
    signal.alarm signal.setitimer faulthandler.dump_traceback_later
    faulthandler.cancel_dump_traceback_later
process | changes how the whole program takes signals | py:signal#signal.siginterrupt
    signal.siginterrupt faulthandler.register faulthandler.unregister faulthandler.enable
    faulthandler.disable
process | changes the default of all sockets of the program | py:socket#socket.setdefaulttimeout
    socket.setdefaulttimeout socket.sethostname
process | installs an opener for the whole program | py:urllib.request#urllib.request.install_opener
    urllib.request.install_opener urllib.request.urlcleanup
process | seeds the random generator that the whole program draws from | py:random#random.seed
    random.seed random.setstate
process | puts another object in the place of one that the whole program uses
  | py:unittest.mock#the-patchers
    unittest.mock.patch unittest.mock._patch unittest.mock._patch_object
    unittest.mock._patch_dict unittest.mock._patch_multiple unittest.mock._patch.*
    unittest.mock._patch_dict.*
process | changes a setting of the module, for the whole program | py:csv#csv.field_size_limit
    csv.field_size_limit csv.register_dialect csv.unregister_dialect
process | registers a name for the whole program
  | py:xml.etree.elementtree#xml.etree.ElementTree.register_namespace
    xml.etree.ElementTree.register_namespace
process | registers what the whole program then uses | py:copyreg#copyreg.pickle
    copyreg.pickle copyreg.constructor copyreg.add_extension copyreg.remove_extension
    copyreg.clear_extension_cache mimetypes.init mimetypes.add_type
    shutil.register_archive_format shutil.register_unpack_format
    shutil.unregister_archive_format shutil.unregister_unpack_format sqlite3.register_adapter
    sqlite3.register_converter abc.ABCMeta.register
process | changes a setting of the whole interpreter | py:sys#sys.setrecursionlimit
    sys.setrecursionlimit sys.setswitchinterval sys.setdlopenflags sys.settrace sys.setprofile
    sys.set_int_max_str_digits sys.addaudithook sys.set_asyncgen_hooks
    sys.set_coroutine_origin_tracking_depth threading.settrace threading.setprofile
    threading.setprofile_all_threads@3.12 threading.settrace_all_threads@3.12
    threading.stack_size _thread.stack_size sys.activate_stack_trampoline@3.12
    sys.deactivate_stack_trampoline@3.12
process | changes how the collector of the whole interpreter works | py:gc#gc.disable
    gc.disable gc.enable gc.set_threshold gc.set_debug gc.freeze gc.unfreeze
process | measures the memory of the whole program | py:tracemalloc#tracemalloc.start
    tracemalloc.start tracemalloc.stop tracemalloc.clear_traces tracemalloc.reset_peak
process | changes how the whole program logs | py:logging#logging.disable
    logging.disable logging.basicConfig logging.addLevelName logging.setLoggerClass
    logging.setLogRecordFactory logging.captureWarnings logging.shutdown
    logging.Logger.addHandler logging.Logger.removeHandler logging.Logger.setLevel
    logging.Logger.addFilter logging.Logger.removeFilter logging.Handler.setLevel
    logging.Handler.setFormatter logging.StreamHandler.setStream logging.LoggerAdapter.setLevel
    logging.config.dictConfig logging.config.fileConfig logging.config.listen
    logging.config.stopListening
process | sets the time zone of the whole program | py:time#time.tzset
    time.tzset time.clock_settime zoneinfo.reset_tzpath zoneinfo.ZoneInfo.clear_cache
    calendar.setfirstweekday
process | changes how the whole program starts processes
  | py:multiprocessing#multiprocessing.set_start_method
    multiprocessing.set_start_method multiprocessing.set_executable
    multiprocessing.set_forkserver_preload
    multiprocessing.context.DefaultContext.set_start_method
    multiprocessing.context.BaseContext.set_executable
    multiprocessing.context.BaseContext.set_forkserver_preload
process | registers what runs beside each fork | py:os#os.register_at_fork
    os.register_at_fork
process | changes what the whole program imports | py:importlib#importlib.reload
    importlib.reload importlib.invalidate_caches site.addsitedir site.main runpy.run_module
    runpy.run_path zipimport.zipimporter.invalidate_caches
process | draws on the one window of the program | py:turtle
    turtle.*
process | changes the caches that the whole program uses | py:re#re.purge
    re.purge linecache.clearcache linecache.checkcache sys._clear_type_cache
    functools._lru_cache_wrapper.cache_clear urllib.parse.clear_cache@-3.11
process | changes the terminal or the screen, of which the program has one | py:curses
    curses.* tty.setraw tty.setcbreak termios.tcsetattr readline.*
process | starts or stops a profiler of the whole thread or program | py:profile
    cProfile.* profile.* trace.* bdb.*
process | writes to the log of the system in the name of the whole program
  | py:syslog#syslog.openlog
    syslog.openlog syslog.closelog syslog.setlogmask
process | keeps what it works on in its module | py:fileinput#fileinput.input
    fileinput.input fileinput.close fileinput.nextfile fileinput.filename fileinput.lineno
    fileinput.filelineno fileinput.fileno fileinput.isfirstline fileinput.isstdin

thread | only the main thread may call | py:signal#signals-and-threads
    signal.signal signal.set_wakeup_fd
thread | is asked for by code that insists on running there | py:threading#threading.main_thread
    threading.main_thread
thread | changes or awaits the signals of the calling thread | py:signal#signal.pthread_sigmask
    signal.pthread_sigmask signal.sigwait signal.sigwaitinfo signal.sigtimedwait signal.pause
    signal.sigpending
thread | uses the event loop of the calling thread | py:asyncio-eventloop#asyncio.get_event_loop
    asyncio.get_event_loop
thread | has to be called in the thread that made the window | py:tkinter#threading-model
    tkinter.* idlelib.*
thread | changes the decimal context of the calling thread | py:decimal#decimal.setcontext
    decimal.setcontext

caller | asks the one who sits at the terminal | py:functions#input
    builtins.input _sitebuiltins._Helper.__call__ getpass.getpass getpass.unix_getpass
    getpass.fallback_getpass code.interact code.InteractiveConsole.interact cmd.Cmd.cmdloop
caller | reads what was typed or piped into the program | py:sys#sys.stdin
    sys.stdin.*
caller | stops in the debugger | py:pdb
    builtins.breakpoint sys.breakpointhook pdb.*
caller | registers what runs when the program ends | py:atexit#atexit.register
    atexit.register atexit.unregister
caller | registers what the whole program then uses | py:codecs#codecs.register
    codecs.register codecs.unregister codecs.register_error sqlite3.enable_callback_tracebacks
    webbrowser.register xml.dom.registerDOMImplementation doctest.register_optionflag
caller | changes the environment behind the back of os.environ | py:os#os.putenv
    os.putenv os.unsetenv
caller | waits for any child process, those of others included | py:os#os.wait
    os.wait os.wait3
caller | finds objects of the whole program, whoever has them | py:gc#gc.get_objects
    gc.get_objects gc.get_referrers gc.get_referents
caller | makes a copy of the whole process | py:os#os.fork
    os.fork os.forkpty pty.fork pty.spawn
caller | ends or replaces the whole process | py:os#os._exit
    os._exit os.abort os.execv os.execve os.execl os.execle os.execlp os.execlpe os.execvp
    os.execvpe
caller | sends a signal, which may be to the process itself | py:os#os.kill
    os.killpg signal.raise_signal signal.pthread_kill _thread.interrupt_main

draws | draws from the random generator of the whole program | py:random
    random.*

safe | makes a generator of its own | py:random#random.Random
    random.Random random.Random.* random.SystemRandom random.SystemRandom.* random.getstate
safe | computes from its arguments | py:functions
    builtins.*
safe | computes from its arguments | py:math
    math.* cmath.* statistics.* fractions.* numbers.* operator.* colorsys.* decimal.* bisect.*
    heapq.* itertools.* functools.* collections.* array.* graphlib.* copy.* enum.* dataclasses.*
    typing.* types.* abc.* weakref.* contextlib.* contextvars.*
safe | computes from its arguments | py:text
    re.* string.* textwrap.* difflib.* unicodedata.* stringprep.* struct.* codecs.* html.*
    pprint.* reprlib.* shlex.* fnmatch.* keyword.* token.* tokenize.* ast.* dis.* gettext.*
    locale.* encodings.*
safe | computes from its arguments | py:netdata
    json.* base64.* binascii.* quopri.* email.* csv.* configparser.* tomllib.* netrc.*
    plistlib.* pickle.* copyreg.* marshal.* mimetypes.* urllib.parse.* urllib.error.* xml.*
    ipaddress.* uuid.* datetime.* calendar.* zoneinfo.*
safe | computes from its arguments, without the interpreter's lock for large ones | py:hashlib
    hashlib.* hmac.* zlib.* gzip.* bz2.* lzma.* crypt.*@-3.13
safe | takes random bytes from the system, not from a generator of the program | py:secrets
    secrets.*
safe | waits or tells the time | py:time
    time.* timeit.* sched.*
safe | works on the paths that it is given | py:filesys
    os.* os.path.* pathlib.* glob.* shutil.* stat.* filecmp.* linecache.* fcntl.* errno.*
    platform.* getopt.* argparse.* optparse.* posixpath.* genericpath.* getpass.* pwd.* grp.*
    resource.* sys.* sysconfig.* gc.* tracemalloc.* traceback.* inspect.* faulthandler.*
    termios.* tty.*
safe | makes a new file or folder under a name that nothing else has | py:tempfile
    tempfile.*
safe | opens what it is given, for the item alone | py:io
    io.* zipfile.* tarfile.* wave.* mmap.* shelve.* dbm.* sqlite3.* fileinput.*
safe | opens connections of its own | py:internet
    urllib.request.* urllib.robotparser.* urllib.response.* http.* ftplib.* poplib.* imaplib.*
    smtplib.* xmlrpc.* socket.* ssl.* socketserver.* select.* selectors.* webbrowser.*
    telnetlib.*@-3.13 nntplib.*@-3.13
safe | runs a program of its own, whose folder and environment are arguments | py:subprocess
    subprocess.*
safe | is made for threads | py:threading
    threading.* queue.* concurrent.* _thread.* multiprocessing.context.BaseContext.cpu_count
    multiprocessing.current_process
safe | has an event loop of its own while it runs | py:asyncio-runner#asyncio.run
    asyncio.*
safe | takes the locks of its handlers | py:logging#thread-safety
    logging.* warnings.*
safe | tells about modules that are loaded | py:importlib
    importlib.* pkgutil.* signal.* atexit.* unittest.*
"""
