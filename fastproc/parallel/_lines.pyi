"""Layer: parallel.  Types of kernels of lines: nothing that Python sees."""
