"""Layer: parallel.  `kernel`: a user's C function as a kernel, with chunks, `workers=` and `out=`.

The function may be a cdef function of a Cython module, a `scipy.LowLevelCallable`, a `numba.cfunc`
or a ctypes function (``cfunction.py``).  What it computes is told from its signature, T being one
of float64, float32, int64 and int32:

    T (T)                                   a result of each element
    T (T, T)                                a result of each pair
    void (const T*, T*, Py_ssize_t)         results of a chunk: the loop is the function's own
    void (const T*, const T*, T*, Py_ssize_t)
    void (const T*, Py_ssize_t, double*)    a reduction's `partial`: the state of a chunk
"""

from __future__ import annotations

import operator
import time
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from fastproc.kernels import validate
from fastproc.parallel import _custom, processes
from fastproc.parallel.cfunction import CFunction, Signature, found
from fastproc.parallel.processes import Workers

Array = npt.NDArray[Any]

#: What an element is thought to take, in nanoseconds, until a call has shown it.
NS_PER_ELEMENT = 5.0

_ELEMENTS = ("float64", "float32", "int64", "int32")

#: By form, a signature that has it, for elements of dtype T; the numbers are `_custom`'s.
_FORMS = {
    1: Signature("T", ("T",)),
    2: Signature("T", ("T", "T")),
    3: Signature("void", ("T*", "T*", "int64")),
    4: Signature("void", ("T*", "T*", "T*", "int64")),
}
_PARTIAL = Signature("void", ("T*", "int64", "float64*"))
_MERGE = Signature("void", ("float64*", "float64*"))
_FINALIZE = Signature("float64", ("float64*",))


def _of_dtype(form: Signature, dtype: str) -> Signature:
    return Signature(
        form.returns.replace("T", dtype), tuple(each.replace("T", dtype) for each in form.takes)
    )


def kernel(
    function: Any,
    *,
    merge: Any = None,
    finalize: Any = None,
    state: SupportsIndex | None = None,
) -> Elementwise | Reduction:
    """Make a kernel of a C function.

    The kernel cuts arrays into chunks, lets threads or a pool's processes call the function for
    them, and never holds the GIL meanwhile.

    Parameters
    ----------
    function : str, scipy.LowLevelCallable, numba.cfunc, ctypes function or capsule
        ``"package.module:name"`` names a cdef function of a Cython module that others may call: one
        that is declared in the module's ``.pxd`` or as ``cdef api``. It must be ``noexcept nogil``.
        Its signature says what it does, see Notes.
    merge : like `function`, optional
        For a reduction, ``void (double* into, const double* other)``: fold one state into another.
    finalize : like `function`, optional
        For a reduction, ``double (const double* state)``: make the result; by default the state
        itself is the result.
    state : int, optional
        For a reduction, how many doubles a state has.

    Returns
    -------
    Elementwise or Reduction
        A callable: ``(x, out=None, *, workers=None)``, ``(x1, x2, out=None, *, workers=None)``, or
        for a reduction ``(a, *, workers=None)``.

    Raises
    ------
    TypeError
        If `function` is no C function, or its signature none of those below.
    ValueError
        If `state` is less than 1, or `merge` or `state` is missing for a reduction.
    ImportError, AttributeError
        If there is no such module, or no such function in it.

    Notes
    -----
    With T one of ``double``, ``float``, ``int64_t`` and ``int``::

        T f(T x)                                                  a result of each element
        T f(T x1, T x2)                                           a result of each pair
        void f(const T* x, T* out, Py_ssize_t n)                  results of a chunk
        void f(const T* x1, const T* x2, T* out, Py_ssize_t n)
        void f(const T* x, Py_ssize_t n, double* state)           a chunk's state, for a reduction

    A function of elements costs a call for each; one of chunks has the loop in itself, where the
    compiler can vectorise it. The chunks of a reduction have 4096 elements, whoever does the work,
    and states are merged by halving, so that the result has the same bits for every `workers`.

    In a pool's workers a Cython module is imported by its name, a `numba.cfunc` compiled again, and
    a function of a library looked up in the same file.

    Examples
    --------
    >>> import ctypes, ctypes.util
    >>> import fastproc as fp
    >>> sinh = ctypes.CDLL(ctypes.util.find_library("m")).sinh
    >>> sinh.argtypes, sinh.restype = [ctypes.c_double], ctypes.c_double
    >>> fp.kernel(sinh)([0.0, 1.0]).round(3).tolist()
    [0.0, 1.175]
    """
    c_function = found(function)
    takes = c_function.signature.takes
    dtype = takes[0].rstrip("*") if takes else ""
    if dtype in _ELEMENTS:
        if c_function.signature == _of_dtype(_PARTIAL, dtype):
            return _reduction(c_function, dtype, merge, finalize, state)
        for form, signature in _FORMS.items():
            if c_function.signature == _of_dtype(signature, dtype):
                if (merge, finalize, state) != (None, None, None):
                    raise TypeError(
                        f"kernel: merge, finalize and state are a reduction's, but {c_function!r} "
                        f"is no partial: {_PARTIAL}"
                    )
                return Elementwise(c_function, form, dtype)
    forms = "; ".join(str(form) for form in (*_FORMS.values(), _PARTIAL))
    raise TypeError(
        f"kernel: {c_function!r} has none of the signatures that a kernel can be made of: {forms}, "
        f"with T one of {', '.join(_ELEMENTS)}"
    )


def _reduction(
    partial: CFunction, dtype: str, merge: Any, finalize: Any, state: SupportsIndex | None
) -> Reduction:
    if merge is None or state is None:
        raise ValueError(
            f"kernel: {partial!r} is a reduction's partial; pass merge, and state, the number of "
            f"doubles that a state has"
        )
    width = operator.index(state)
    if width < 1:
        raise ValueError(f"kernel: state must be at least 1, not {width}")
    return Reduction(
        partial,
        _checked("merge", merge, _MERGE),
        None if finalize is None else _checked("finalize", finalize, _FINALIZE),
        width,
        dtype,
    )


def _checked(role: str, source: Any, signature: Signature) -> CFunction:
    function = found(source)
    if function.signature != signature:
        raise TypeError(f"kernel: {role} must have the signature {signature}, not {function!r}")
    return function


class _Kernel:
    """What users' kernels share: a dtype, a name, and what an element takes."""

    def __init__(self, function: CFunction, dtype: str) -> None:
        self._function = function
        #: The dtype of elements, and of an elementwise kernel's results.
        self.dtype = np.dtype(dtype)
        self._ns_per_element = NS_PER_ELEMENT

    def __repr__(self) -> str:
        return f"<kernel of {self._function!r}>"

    def _array(self, x: Any) -> Array:
        array = validate.as_array(self._function.name, x)
        if not np.can_cast(array.dtype, self.dtype, casting="same_kind"):
            raise TypeError(
                f"{self._function.name}: elements are {self.dtype}, to which {array.dtype} cannot "
                f"be cast by the rule 'same_kind'"
            )
        return array.astype(self.dtype, copy=False)

    def _learn(self, started: float, size: int, workers: Workers) -> None:
        """Note what an element took, if this thread did the work alone."""
        if size > 0 and workers == 1:
            self._ns_per_element = (time.perf_counter() - started) * 1e9 / size


class Elementwise(_Kernel):
    """An elementwise kernel made by `kernel`; see there."""

    def __init__(self, function: CFunction, form: int, dtype: str) -> None:
        super().__init__(function, dtype)
        self._form = form
        self._n_operands = 2 if form in (2, 4) else 1

    def __reduce__(self) -> tuple[Any, ...]:
        return kernel, (self._function,)

    def __call__(self, *operands: npt.ArrayLike, out: Array | None = None, workers: Workers = None):  # type: ignore[no-untyped-def]
        """Compute the results of all elements.

        Parameters
        ----------
        *operands : array_like
            As many as the function takes elements, broadcast against each other.
        out : ndarray, optional
            Where to put the results; it may be an operand, or overlap one.
        workers : None, int, Pool or executor, optional
            Who does the work, as for the other kernels.

        Returns
        -------
        ndarray or scalar
            `out`, if it is given.
        """
        *inputs, out = self._sorted(operands, out)
        name = self._function.name
        arrays = [self._array(operand) for operand in inputs]
        shape = np.broadcast_shapes(*[array.shape for array in arrays])
        if out is not None:
            validate.check_out(name, out, shape, self.dtype)
        target = self._target(out, arrays, shape)
        started = time.perf_counter()
        if not _custom.apply(
            self._function, self._form, [target, *arrays], self._ns_per_element, workers
        ):
            target = processes.compute_elementwise(
                workers,  # type: ignore[arg-type]
                _custom.apply_units,
                (self._function, self._form),
                target,
                arrays,
                _custom.n_units(target.size),
            )
        self._learn(started, target.size, workers)
        if target is out:
            return out
        if out is not None:
            np.copyto(out, target, casting="same_kind")
            return out
        return target[()] if target.ndim == 0 else target

    def _sorted(self, operands: tuple[Any, ...], out: Any) -> list[Any]:
        """Return the operands and `out`, which may also come last among them."""
        if len(operands) == self._n_operands + 1 and out is None:
            return list(operands)
        if len(operands) != self._n_operands:
            raise TypeError(
                f"{self._function.name} takes {self._n_operands} "
                f"array{'s' if self._n_operands > 1 else ''}, not {len(operands)}"
            )
        return [*operands, out]

    def _target(self, out: Array | None, arrays: list[Array], shape: tuple[int, ...]) -> Array:
        """Return an array to compute into: `out`, if that harms no operand."""
        if out is None or out.dtype != self.dtype or not out.dtype.isnative:
            return np.empty(shape, self.dtype)
        for array in arrays:
            is_same = (
                array.ctypes.data == out.ctypes.data
                and array.shape == out.shape
                and array.strides == out.strides
            )
            if not is_same and np.may_share_memory(out, array):
                return np.empty(shape, self.dtype)
        return out


class Reduction(_Kernel):
    """A reduction made by `kernel`; see there."""

    def __init__(
        self,
        partial: CFunction,
        merge: CFunction,
        finalize: CFunction | None,
        width: int,
        dtype: str,
    ) -> None:
        super().__init__(partial, dtype)
        self._merge = merge
        self._finalize = finalize
        self._width = width

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduction, (
            self._function,
            self.dtype.name,
            self._merge,
            self._finalize,
            self._width,
        )

    def __call__(self, a: npt.ArrayLike, *, workers: Workers = None) -> Any:
        """Reduce all elements, in C order.

        Parameters
        ----------
        a : array_like
            Elements. For none, `partial` is called once with an `n` of 0.
        workers : None, int, Pool or executor, optional
            Who does the work, as for the other kernels.

        Returns
        -------
        float64 or ndarray of float64
            What `finalize` makes of the state; without it the state, of `state` numbers.
        """
        x = validate.contiguous(self._array(a)).ravel()
        states = np.empty(_custom.chunks_of(x) * self._width)
        started = time.perf_counter()
        if not _custom.partial_states(
            self._function, x, states, self._width, self._ns_per_element, workers
        ):
            memory = processes.run_units(
                workers,  # type: ignore[arg-type]
                _custom.partial_units,
                (self._function,),
                processes.shared_like(x, ()),
                (self._width,),
                _custom.chunks_of(x),
                states.nbytes,
            )
            states = memory.view(np.float64)
        self._learn(started, x.size, workers)
        _custom.merge_states(self._merge, states, self._width)
        state = states[: self._width]
        return state.copy() if self._finalize is None else _custom.finalized(self._finalize, state)
