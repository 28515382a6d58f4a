"""Names the variables that limit the threads of numerical libraries in a new interpreter."""

from __future__ import annotations

#: Environment variables that limit the threads of numerical libraries, read when one is loaded.
_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"),
    *("POLARS_MAX_THREADS", "RAYON_NUM_THREADS"),  # Arrow reads the first
)


def thread_variables(environ: dict[str, str]) -> list[str]:
    """The variables that limit threads of libraries, unless the user has set the first."""
    if "OMP_NUM_THREADS" in environ:  # all libraries obey it
        return []
    return [name for name in _VARIABLES if name not in environ]
