"""A job of numpy arrays: it releases the GIL, with large payloads there and back."""

import numpy as np

from benchmarks.jobs.draws import uniform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray


def phases(signal: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Filter a signal by its spectrum and rank; about 20 ms for 1 MiB."""
    ranked = signal[np.argsort(signal, kind="stable")]
    smooth = np.fft.irfft(np.fft.rfft(ranked) * 0.5, n=len(signal))
    return np.arctan2(np.sin(signal), smooth)


def signals() -> "list[NDArray[np.float64]]":
    """60 arrays of 128 KiB to 1 MiB; about 1.2 s in all."""
    noise = np.modf(np.sin(np.arange(131_072 + 60)) * 43_758.5453)[0]
    sizes = [int(16_384 + 114_688 * u) for u in uniform(seed=9, n_draws=60)]
    return [noise[i : i + size].copy() for i, size in enumerate(sizes)]
