"""A job that compresses with zlib: it releases the GIL, with large payloads there and back."""

from zlib import compress

from benchmarks.jobs.draws import uniform

LETTERS = bytes(48 + (i & 63) for i in range(256))  # 6 bits of every byte: shrinks by a quarter


def shrink(payload: bytes) -> bytes:
    """About 28 ms for 1 MiB."""
    return compress(payload, 6)


def payloads() -> list[bytes]:
    """90 payloads of 192 KiB to 1 MiB, which shrink to 144 KiB and more; 1.4 s in all."""
    noise = b"".join(int(u * (1 << 48)).to_bytes(6) for u in uniform(seed=3, n_draws=22_000))
    megabyte = noise.translate(LETTERS) * 9  # zlib looks back 32 KiB, less than one repetition
    sizes = [int(1024 * (192 + 832 * u)) for u in uniform(seed=5, n_draws=90)]
    return [megabyte[i : i + size] for i, size in enumerate(sizes)]
