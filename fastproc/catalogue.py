"""Layer: base.  The catalogue of kernels: which there are, by family.

A family shares its loops, its gate, its tests and its benchmarks, each in a file of the family's
name.  Whoever needs to know all kernels reads this table: the public face, which imports a family
when one of its kernels is first asked for, the build, the documentation, tests and benchmarks.
"""

from __future__ import annotations

#: By family, the public functions.
FAMILIES: dict[str, tuple[str, ...]] = {
    "reductions": (
        "sum",
        "mean",
        "var",
        "std",
        "min",
        "max",
        "minmax",
        "argmin",
        "argmax",
        "nansum",
        "nanmean",
        "nanvar",
        "nanstd",
        "nanmin",
        "nanmax",
        "nanminmax",
        "nanargmin",
        "nanargmax",
        "ss",
        "anynan",
        "allnan",
        "all_finite",
    ),
    "elementwise": (
        "square",
        "cube",
        "negative",
        "add",
        "axpy",
        "sigmoid",
        "polyval",
        "clip",
        "replace",
    ),
    "histogram": ("histogram",),
}

#: By public function, its family.
FAMILY_OF: dict[str, str] = {name: family for family in FAMILIES for name in FAMILIES[family]}
