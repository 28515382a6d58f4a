"""wrapt's function wrapper, without the imports of the package around it.

`import wrapt` takes 25 ms (1.16) to 94 ms (2.5) because its `__init__` pulls in `inspect`, and with
it or after it `asyncio` and `importlib.metadata`. The wrapper itself is one compiled module that
needs none of them and loads in 1.2 ms, so that module is loaded alone, under its true name: an
`import wrapt` later on, by anybody, finds it in `sys.modules` and goes on with the same classes.

Holds for wrapt 1.16 to 2.1, hence `wrapt>=1.16,<2.2` in pyproject.toml. Where there is no compiled
module (a pure-Python install, a frozen program, WRAPT_DISABLE_EXTENSIONS), the package is imported.
"""

import os
import sys

# importlib.util and importlib.machinery hand out these very functions, for 3 ms more
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import PathFinder

from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_COMPILED = "wrapt._wrappers"


def _wrappers() -> "ModuleType":
    """The module with `FunctionWrapper` in it: the compiled one alone, or the whole package."""
    if "wrapt" not in sys.modules and not os.environ.get("WRAPT_DISABLE_EXTENSIONS"):
        compiled = sys.modules.get(_COMPILED) or _load_compiled()
        if compiled is not None:
            return compiled
    import wrapt

    return wrapt


def _load_compiled() -> "ModuleType | None":
    package = PathFinder.find_spec("wrapt")
    if package is None or not package.submodule_search_locations:
        return None
    spec = PathFinder.find_spec(_COMPILED, package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    try:
        module = module_from_spec(spec)
        sys.modules[_COMPILED] = module
        spec.loader.exec_module(module)
    except Exception as error:  # built for another Python: the package falls back to pure Python
        sys.modules.pop(_COMPILED, None)
        reraise_from_handler(error)
        return None
    return module


if TYPE_CHECKING:
    from wrapt import BoundFunctionWrapper as BoundFunctionWrapper
    from wrapt import FunctionWrapper as FunctionWrapper
    from wrapt import ObjectProxy as ObjectProxy
else:
    _module = _wrappers()
    BoundFunctionWrapper = _module.BoundFunctionWrapper
    FunctionWrapper = _module.FunctionWrapper
    ObjectProxy = _module.ObjectProxy
