"""Layer: parallel.  How arrays lie beside one another: shapes, strides, overlap, broadcasting."""

from numpy cimport PyArray_BYTES, PyArray_DIMS, PyArray_NDIM, PyArray_STRIDES, ndarray, npy_intp

from fastproc.parallel._gate cimport dtype_code, item_size


cdef inline bint is_apart(ndarray out, ndarray x) noexcept:
    """Tell whether writing `out` leaves each element of `x` alone until it has been read."""
    cdef Py_ssize_t out_low, out_high, low, high
    cdef Py_ssize_t distance = PyArray_BYTES(out) - PyArray_BYTES(x)
    if distance == 0 and same_layout(out, x):
        return True
    find_extent(out, &out_low, &out_high)
    find_extent(x, &low, &high)
    return distance + out_low >= high or distance + out_high <= low


cdef inline void find_extent(ndarray array, Py_ssize_t* low, Py_ssize_t* high) noexcept:
    """Find the first byte of an array's elements and the one after the last, from its data."""
    cdef Py_ssize_t length
    cdef int i
    low[0], high[0] = 0, item_size(dtype_code(array))
    for i in range(PyArray_NDIM(array)):
        length = (PyArray_DIMS(array)[i] - 1) * PyArray_STRIDES(array)[i]
        if length < 0:
            low[0] += length
        else:
            high[0] += length


cdef inline bint same_shape(ndarray x1, ndarray x2) noexcept:
    cdef int i
    if PyArray_NDIM(x1) != PyArray_NDIM(x2):
        return False
    for i in range(PyArray_NDIM(x1)):
        if PyArray_DIMS(x1)[i] != PyArray_DIMS(x2)[i]:
            return False
    return True


cdef inline bint same_layout(ndarray x1, ndarray x2) noexcept:
    """Tell whether two arrays have one shape and lie in the same way."""
    cdef int i
    if not same_shape(x1, x2):
        return False
    for i in range(PyArray_NDIM(x1)):
        if PyArray_STRIDES(x1)[i] != PyArray_STRIDES(x2)[i]:
            return False
    return True


cdef inline bint broadcast_into(npy_intp* shape, int n_dims, ndarray array) noexcept:
    """Broadcast `shape` with an array's; False if they do not go together."""
    cdef int i, missing = n_dims - PyArray_NDIM(array)
    cdef npy_intp length
    for i in range(missing, n_dims):
        length = PyArray_DIMS(array)[i - missing]
        if length != 1:
            if shape[i] != 1 and shape[i] != length:
                return False
            shape[i] = length
    return True
