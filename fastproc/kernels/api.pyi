"""Layer: kernels.  Types of the face for Cython: nothing that Python sees."""
