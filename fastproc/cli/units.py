"""Layer: command line.  Durations and sizes as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a time with three digits and its unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds * 1e9)} ns"


def _three_digits(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:,.0f}"


def elapsed(seconds: float) -> str:
    """Return how long something has lasted, as a clock shows it from a minute on.

    Examples
    --------
    >>> elapsed(2.25), elapsed(200), elapsed(7510)
    ('2.2 s', '3:20', '2:05:10')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(n_bytes: int) -> str:
    """Return a number of bytes in MiB, or in GiB from one on.

    Examples
    --------
    >>> size(3 * 2**20), size(3 * 2**29)
    ('3 MiB', '1.5 GiB')
    """
    gib = n_bytes / 1024**3
    return f"{gib:.1f} GiB" if gib >= 1 else f"{n_bytes / 1024**2:.0f} MiB"
