"""Layer: kernels.  GIL-free loops over one chunk of an array; it knows no process or thread."""
