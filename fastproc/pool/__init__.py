"""Layer: pool.  Processes that take tasks; it knows no kernel."""

from fastproc.pool.pool import Pool

__all__ = ["Pool"]
