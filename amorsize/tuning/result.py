"""The result of a tuning, which can be printed, kept in a file or read from one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amorsize.errors import InvalidOptionError
from amorsize.tuning import document as documents
from amorsize.tuning import result_text
from amorsize.tuning.figures import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(repr=False)
class TuningResult(Figures):
    """What `tune_parameters` and `quick_tune` return.

    Times are seconds for all items; where only a part of them was run, they were told from it
    (`configurations` has the numbers). Where the loop won, `best_n_jobs` is 1, `backend` is
    "serial", and `executor_type` names the workers it was compared with.

    Example:
        >>> result = tune_parameters(abs, range(100), [1], [50])
        >>> TuningResult.from_dict(result.to_dict()).best_chunksize == result.best_chunksize
        True
    """

    # -- keeping ----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; an infinite time is None, as JSON knows no other."""
        return documents.of_result(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> TuningResult:
        """The result that `to_dict` told of.

        Raises:
            InvalidOptionError: Something about it cannot be right.
        """
        try:
            return cls(**documents.fields_of(document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidOptionError(
                f"This is no result of a tuning: {type(error).__name__}: {error}"
            ) from error

    def save_config(self, path: str | Path) -> None:
        """Write the result as one readable JSON file.

        Raises:
            OSError: It cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load_config(cls, path: str | Path) -> TuningResult:
        """Read what `save_config` wrote.

        Raises:
            InvalidOptionError: The file is no result of a tuning.
            OSError: It cannot be read.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidOptionError(f"{path} is no result of a tuning: {error}") from None
        try:
            return cls.from_dict(document)
        except InvalidOptionError as error:
            raise InvalidOptionError(f"{path}: {error}") from error

    # -- showing ----------------------------------------------------------------------------

    def __str__(self) -> str:
        return result_text.as_text(self)

    def __repr__(self) -> str:
        return (
            f"TuningResult(best_n_jobs={self.best_n_jobs}, best_chunksize={self.best_chunksize}, "
            f"best_speedup={self.best_speedup:.2f}x, backend={self.backend!r}, "
            f"configurations_tested={self.configurations_tested})"
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw how many times quicker than the loop each plan was.

        Above, by `n_jobs`: the best chunksize of each backend with its 95 % interval, the others
        faint. Below, a map over `n_jobs` and `chunksize`; the quickest backend of each pair counts.

        Args:
            ax: Where to draw; None for a new figure of pyplot.

        Returns:
            The axes of speed-up by `n_jobs`; those of the map come after them in their figure.

        Raises:
            MissingExtraError: matplotlib is not installed: `pip install 'amorsize[plot]'`.
        """
        from amorsize.tuning import plots

        return plots.plot(self, ax)

    def save(self, path: str | Path) -> Path:
        """Write the result as one page, to be opened in a browser; `save_config` writes JSON.

        It has the verdict, the picture of `plot`, a table of all plans, the machine that the page
        is made on, and what to try next. It needs no network.

        Args:
            path: Of the page; it ends with .html or .htm.

        Returns:
            Where the page is.

        Raises:
            InvalidOptionError: The path ends in another way.
            MissingExtraError: An extra is not installed: `pip install 'amorsize[plot]'`.
            OSError: It cannot be written.
        """
        from amorsize._page import page
        from amorsize.tuning import tuning_page

        return page.write(tuning_page.page_of(self), page.check_path(path))

    def _repr_html_(self) -> str:
        return result_text.as_html(self)
