"""Tables of the library functions that change something, by their names."""

from __future__ import annotations

from amorsize._function.callables import (
    BUILTIN,
    C_METHODS,
    CACHE,
    METHOD,
    MISSING,
    has,
    is_a,
    is_made_at_run_time,
    own,
    public_name_of,
    raw,
    type_name,
)
from amorsize._function.object_contents import CONTEXT_VARIABLE, is_container, is_standard_stream
from amorsize._function.ownership import is_own_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Methods that change their object, by name.
CHANGING = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update"),
    *("add", "discard", "setdefault", "popitem", "appendleft", "extendleft", "popleft", "rotate"),
    *("difference_update", "intersection_update", "symmetric_difference_update"),
    *("subtract", "move_to_end", "fill", "put", "partition", "byteswap", "setflags", "__setitem__"),
    *("putpixel", "putdata", "putalpha", "putpalette", "paste", "thumbnail"),
    *("add_note", "cache_clear", "__delitem__", "__setattr__", "__delattr__"),
    *("__iadd__", "__isub__", "__imul__", "__imod__"),
    *("__ior__", "__iand__", "__ixor__", "__itruediv__", "__ifloordiv__", "__imatmul__"),
    *("__ipow__", "__ilshift__", "__irshift__"),
}
#: Functions that change their first argument.
_CHANGES_FIRST = {
    *("setattr", "delattr", "heappush", "heappop", "heapify", "heapreplace", "heappushpop"),
    *("insort", "insort_left", "insort_right", "shuffle", "setitem", "delitem", "iadd", "ior"),
    *("isub", "imul", "iand", "ixor", "iconcat", "copyto", "put", "place", "putmask"),
    *("fill_diagonal", "put_along_axis", "SubElement", "memmove", "memset"),
}
#: The modules that define these functions.
_CHANGES_FIRST_OF = {
    *("builtins", "heapq", "bisect", "random", "operator", "numpy", "xml", "elementtree"),
    "ctypes",
}
#: Functions of packages for images that draw on their first argument.
_DRAWING = {
    "PIL": {"Draw", "floodfill"},
    "cv2": {"line", "rectangle", "circle", "ellipse", "putText", "fillPoly", "polylines"}
    | {"arrowedLine", "drawContours", "drawMarker", "fillConvexPoly", "floodFill"},
}
#: Of these, functions that change an attribute.
SETTERS = {"setattr", "delattr", "__setattr__", "__delattr__"}
#: Methods of objects made on the spot that change their arguments.
_CHANGES_HANDED = {"shuffle", "readinto", "at"}
#: Functions and methods that write into a buffer which they get as an argument.
INTO = {"pack_into", "recv_into", "recvfrom_into", "readinto1"}
#: Builtins that do not write into their arguments; print gets its file as a keyword.
ONLY_LOOKS = {"len", "id", "type", "isinstance", "bool", "repr", "hasattr", "callable", "print"}
#: Keywords whose argument may be changed.
PERHAPS_CHANGING = _CHANGES_FIRST.union(CHANGING, _CHANGES_HANDED, *_DRAWING.values())
_NUMPY = {"numpy.ndarray"}
_ARRAYS = {"array.array", "PIL.Image.Image"}
_BUFFERS = {"_io.StringIO", "_io.BytesIO"}
_CONTEXTS = {"decimal.Context"}
_NAMESPACES = {"types.SimpleNamespace"}
#: Methods that write to their object, or what it holds to what they are handed.
WRITING = ("write", "writelines", "truncate")
#: Methods that set flags of a context of `decimal`, which they are of or are handed.
FLAGGING = frozenset(
    {"divide", "divide_int", "divmod", "remainder", "remainder_near", "subtract", "multiply"}
    | {"power", "sqrt", "exp", "ln", "log10", "logb", "scaleb", "fma", "quantize", "plus", "minus"}
    | {"normalize", "create_decimal", "create_decimal_from_float", "to_integral_exact"}
    | {"next_minus", "next_plus", "next_toward", "clear_flags", "clear_traps"}
)
#: Methods that change only objects of these types.
CHANGING_SOME = {
    **dict.fromkeys(WRITING, _BUFFERS),
    **dict.fromkeys(("seek", "read", "readline", "readlines", "readinto"), _BUFFERS),
    **dict.fromkeys(("frombytes", "fromlist", "fromunicode", "fromfile"), _ARRAYS),
    **dict.fromkeys(("resize", "itemset"), _NUMPY),
    "set": {"xml.etree.ElementTree.Element", "configparser.ConfigParser", CONTEXT_VARIABLE},
    **dict.fromkeys(("__init__", "__setstate__"), _NAMESPACES),
    "add_section": {"configparser.ConfigParser"},
    "add_header": {"email.message.Message"},
    **dict.fromkeys(FLAGGING, _CONTEXTS),
}
#: Functions of libraries whose result others hold as well, so that it may be changed for them.
GIVES_SHARED = {
    *("decimal.getcontext", "logging.getLogger", "matplotlib.pyplot.gca", "matplotlib.pyplot.gcf"),
    *("threading.current_thread", "asyncio.get_event_loop"),
    "multiprocessing.process.current_process",
}
#: Functions that open a file and do to it what their mode says.
OPENING_BY_MODE = {
    *("io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "tarfile.TarFile.open"),
    *("zipfile.ZipFile", "gzip.GzipFile", "bz2.BZ2File", "lzma.LZMAFile", "wave.open"),
    *("io.FileIO", "logging.FileHandler", "logging.handlers.WatchedFileHandler"),
    *("wave.Wave_write", "h5py.File", "h5py._hl.files.File", "netCDF4.Dataset"),
}
#: Functions that open a file for changes unless an argument says that they only read.
OPENING_FOR_CHANGES = {
    **dict.fromkeys(("shelve.open", "dbm.open"), (1, "flag")),
    "numpy.memmap": (2, "mode"),
}
#: Functions that write files anew while they read them, if an argument says so.
EDITING = {"fileinput.input", "fileinput.FileInput"}
#: The function that opens a database in a file, to which SQL says what happens.
OPENING_DATABASE = "sqlite3.connect"
#: Functions that change files, and the places of these files' paths among their arguments.
CHANGING_FILES = {
    **dict.fromkeys(("os.rename", "os.replace", "shutil.move"), (0, 1)),
    **dict.fromkeys(("logging.handlers.RotatingFileHandler",), (0,)),
    **dict.fromkeys(("logging.handlers.TimedRotatingFileHandler",), (0,)),
    **dict.fromkeys(("os.remove", "os.unlink", "os.truncate", "shutil.rmtree"), (0,)),
    **dict.fromkeys(("os.link", "os.symlink", "shutil.copy", "shutil.copy2"), (1,)),
    **dict.fromkeys(("shutil.copyfile", "shutil.copytree"), (1,)),
    **dict.fromkeys(("numpy.save", "numpy.savetxt", "numpy.savez"), (0,)),
    **dict.fromkeys(("numpy.savez_compressed", "os.utime", "os.chmod", "os.chown"), (0,)),
    **dict.fromkeys(("os.lchown", "os.setxattr", "os.removexattr", "os.rmdir"), (0,)),
    **dict.fromkeys(("os.mkfifo", "os.mknod", "shutil.chown", "shutil.make_archive"), (0,)),
    **dict.fromkeys(("shutil.copymode", "shutil.copystat"), (1,)),
    **{"os.renames": (0, 1), "soundfile.write": (0,), "scipy.io.wavfile.write": (0,)},
    **dict.fromkeys(("mailbox.mbox", "mailbox.Maildir", "mailbox.MH", "mailbox.MMDF"), (0,)),
}
#: Methods of paths that change the file they name.
CHANGING_PATHS = {
    *(".write_text", ".write_bytes", ".unlink", ".rename", ".replace", ".symlink_to", ".chmod"),
    *(".hardlink_to", ".rmdir"),
}
#: Functions that make a folder, which must not be there unless an option allows it.
MAKING_FOLDERS = {"os.mkdir", "os.makedirs"}
#: The methods of paths that do so, or make an empty file unless there is one.
MAKES_FOLDER, TOUCHES = ".mkdir", ".touch"
#: The function that opens a file as its flags say.
OPENING_BY_FLAGS = "os.open"
#: Functions and a method that wait for others at an address, which is taken meanwhile.
LISTENING = {
    *("socket.create_server", "socketserver.TCPServer", "socketserver.UDPServer"),
    *("socketserver.ThreadingTCPServer", "http.server.HTTPServer"),
    "http.server.ThreadingHTTPServer",
}
BINDS = ".bind"
#: Functions and methods of paths that tell what is in a file, or whether it exists.
LOOKING_AT_FILES = {
    *("genericpath.exists", "genericpath.isfile", "genericpath.getsize", "os.stat"),
    *("genericpath.isdir", "genericpath.getmtime", "posixpath.lexists", "os.access", "os.lstat"),
    *("numpy.load", "numpy.loadtxt", "pandas.read_csv"),
}
LOOKING_AT_PATHS = {
    *(".read_text", ".read_bytes", ".exists", ".is_file", ".is_dir", ".stat", ".lstat"),
}
#: Methods and functions that write to a path, and its place among their arguments.
SAVING = {
    **dict.fromkeys((".to_csv", ".to_json", ".to_parquet", ".to_pickle", ".to_excel"), 0),
    **dict.fromkeys((".to_feather", ".to_html", ".to_hdf", ".to_netcdf", ".to_zarr", ".tofile"), 0),
    **dict.fromkeys((".savefig", ".save", ".imwrite", ".imsave", ".savemat", ".extractall"), 0),
    **dict.fromkeys((".write_table", ".write_feather", ".save_file", ".urlretrieve", ".dump"), 1),
}
#: Functions that hand a text to a shell, and those that start a program.
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
STARTING = {
    *("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output"),
    "subprocess.Popen",
}
#: Names of which code must use one to start a program.
NAMES_FOR_PROGRAMS = {one.rpartition(".")[2] for one in (*SHELLS, *STARTING)}
#: Names of which code must use one to do any of this.
NAMES_FOR_FILES = {
    one.rpartition(".")[2]
    for one in (
        *(*OPENING_BY_MODE, OPENING_DATABASE, *CHANGING_FILES, *CHANGING_PATHS, *SAVING),
        *(*OPENING_FOR_CHANGES, *EDITING),
        *(*MAKING_FOLDERS, MAKES_FOLDER, TOUCHES, *LISTENING, BINDS),
    )
}
#: Beginnings of the names of methods that change their object, and whole names.
_BEGINNINGS = ("set_", "add_", "insert_", "remove_", "delete_", "append_", "extend_", "register")
_VERBS = {
    *("setLevel", "addHandler", "removeHandler", "addFilter", "removeFilter", "setFormatter"),
    *("decompose", "extract", "replace_with", "mount", "push", "callback", "enter_context"),
    *("configure_mock", "reset_mock", "attach_mock", "mock_add_spec"),
    *("setText", "setAttribute", "appendChild", "removeChild", "inc", "dec", "observe", "plot"),
}
#: Methods that undo each other, where the same code calls both.
_UNDONE_BY = {"addHandler": "removeHandler", "addFilter": "removeFilter"}
_UNDONE_BY |= {undo: do for do, undo in _UNDONE_BY.items()}
#: Packages whose methods of such names return new objects instead.
_GIVE_NEW = {"pandas", "polars", "numpy", "datetime", "decimal", "fractions", "pathlib"}
#: The arguments that functions of NumPy, of OpenCV and of argparse write to.
TO = ("out", "dst", "namespace")
#: The option with which methods of pandas change their object.
IN_PLACE_OPTION = "inplace"
#: Options with which functions change their first argument, and the functions; None: any of them.
_BY_OPTION: dict[str, frozenset[str] | None] = {
    **dict.fromkeys((IN_PLACE_OPTION, "in_place"), None),
    "copy": frozenset(
        (
            *("nan_to_num", "scale", "normalize", "binarize", "minmax_scale", "maxabs_scale"),
            *("robust_scale", "quantile_transform", "power_transform"),
        )
    ),
    **dict.fromkeys(("overwrite_input", "overwrite_a", "overwrite_x", "overwrite_data"), None),
    **dict.fromkeys(("overwrite_ab", "overwrite_v", "overwrite_c", "overwrite_y"), None),
}
#: The option with which functions change their second argument.
_OVERWRITES_SECOND = "overwrite_b"
#: The types of functions and methods written in C.
_IN_C: Any = (BUILTIN, *C_METHODS)


def is_changing(steps: tuple[str, ...]) -> bool:
    """Whether the last step of a way is a method that changes its object."""
    return bool(steps) and steps[-1][0] == "." and steps[-1][1:] in CHANGING


def gives_shared(called: Any) -> bool:
    """Whether others hold what a call gives as well: a setting, or a result that a cache keeps."""
    if type_name(called) == CACHE or type_name(own(called, "__func__")) == CACHE:
        return True
    return callable(called) and public_name_of(called) in GIVES_SHARED


def own_name(called: Any, name: str) -> str:
    """The real name of a function written in C, for which code may use another name."""
    return str(called.__name__) if is_a(called, _IN_C) else name


def changes_first(called: Any, name: str) -> bool:
    """Whether a callable changes its first argument; MISSING: only its name is known."""
    if name in CHANGING and is_a(called, C_METHODS):
        return True
    if called is MISSING:
        return name in _CHANGES_HANDED
    top = _library_of(called)
    return name in (_CHANGES_FIRST if top in _CHANGES_FIRST_OF else _DRAWING.get(top, ()))


def changed_by_options(called: Any, name: str, named: tuple[str, ...]) -> int:
    """How many of its leading arguments a function changes because of these options."""
    if called is MISSING or type(called) is METHOD:
        return 0
    if _OVERWRITES_SECOND in named:
        return 2
    return int(any(one in _BY_OPTION and _may(_BY_OPTION[one], name) for one in named))


def _may(functions: frozenset[str] | None, name: str) -> bool:
    return functions is None or name in functions


def changes_bound(prepared: Any) -> bool:
    """Whether a `partial` changes the container that is bound to it first."""
    called = raw(prepared.func)
    is_known = bool(prepared.args) and is_container(prepared.args[0])
    return is_known and changes_first(called, own_name(called, ""))


def changes_owner(method: Any) -> bool:
    """Whether a bound method changes the table or buffer that it is of, or writes to its file."""
    owner, name = own(method, "__self__"), method.__name__
    if name in CHANGING and is_container(owner):
        return True
    if type(method) is METHOD or is_standard_stream(owner):
        return False
    return changes_holder(owner, name, ()) or (name in WRITING and has(type(owner), "fileno"))


def _library_of(called: Any) -> str:
    module = own(called, "__module__")
    if not isinstance(module, str):  # a method of a generator or a type, say
        module = type(own(called, "__self__")).__module__
    return module.partition(".")[0].lstrip("_")


def changes_holder(holder: Any, name: str, names: tuple[str, ...]) -> bool:
    """Whether the method changes an object of this type; `names` are those in the same code."""
    kind = type_name(holder)
    is_undone = kind == CONTEXT_VARIABLE and "reset" in names
    if is_undone or _UNDONE_BY.get(name) in names:
        return False
    if kind in CHANGING_SOME.get(name, _BUFFERS):
        return True
    return is_verb(name) and _is_library_object(holder)


def is_verb(name: str) -> bool:
    """Whether a method's name says that it changes its object."""
    return name in _VERBS or name.startswith(_BEGINNINGS)


def _is_library_object(value: Any) -> bool:
    """Whether it is an object of a library's class that is written in Python."""
    kind = type(value)
    top = kind.__module__.partition(".")[0]
    return top not in _GIVE_NEW and is_made_at_run_time(kind) and not is_own_class(kind)
