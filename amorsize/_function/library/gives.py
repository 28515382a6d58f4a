"""What functions of libraries give of what they are handed: data of `result_aliases`.

Others may give a new container of whatever lies in what they are handed, as `sorted` does, and
those that are written in Python are read. A line says which, why, and where that is said ("py:" is
a page of docs.python.org/3/library). What is "new" has nothing that others have. "one" is an
element of what is handed, "same" is that itself or a view of it, and "keeps" is something in which
it lies as it is.
"""

from __future__ import annotations

GIVES = """
new | copies all that lies in it | py:copy#copy.deepcopy
    copy.deepcopy
new | makes a text or bytes, or new objects of these | py:persistence
    pickle.dumps pickle.loads json.dumps json.loads marshal.dumps marshal.loads
    struct.unpack struct.unpack_from ast.literal_eval
new | gives numbers, texts or functions of the interpreter | py:functions
    len id hash abs range str repr format ascii int float complex bool bytes bytearray
    isinstance issubclass hasattr callable ord chr bin hex oct round divmod pow io.open print input
    any all
new | splits or matches a text | py:re
    re.split re.findall re.match re.search re.fullmatch re.sub re.finditer re.compile
same | shares the memory of what it is handed | https://numpy.org/doc/stable/user/basics.copies.html
    numpy.einsum numpy.ndarray numpy.from_dlpack numpy.matrix numpy.asmatrix numpy.broadcast_to
    numpy.broadcast_arrays numpy.ma.MaskedArray numpy.ma.core.array numpy.ma.core.asarray
    numpy.ma.core.getdata numpy.real numpy.imag numpy.require numpy.trim_zeros numpy.flipud
    numpy.fliplr numpy.rollaxis numpy.diag numpy.nan_to_num numpy.real_if_close numpy.asfortranarray
    numpy.asarray_chkfinite numpy.unstack numpy.matrix_transpose
    numpy.lib.recfunctions.structured_to_unstructured
same | gives an object of C that lies in the memory of another | py:ctypes#ctypes._CData.from_buffer
    ctypes.pointer ctypes.byref ctypes.cast ctypes.addressof ctypes.py_object
same | gives what it refers to | py:weakref#weakref.proxy
    weakref.proxy
one | gives one of the elements | py:random#random.choice
    random.Random.choice heapq.heappop heapq.heapreplace heapq.heappushpop
    functools.reduce operator.getitem
keeps | holds each as it is | py:itertools#itertools.repeat
    dict.fromkeys itertools.repeat itertools.zip_longest types.SimpleNamespace argparse.Namespace
    collections.ChainMap collections.UserDict collections.defaultdict collections.OrderedDict
    collections.deque collections.namedtuple functools.partial
keeps | holds each among its arguments | py:exceptions#BaseException.args
    BaseException
"""
