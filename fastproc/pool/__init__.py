"""Layer: pool.  Processes that take tasks; it knows no kernel."""
