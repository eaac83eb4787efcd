"""Layer: command line.  The cases of softmax and log_softmax."""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import numpy as np

from fastproc.cli.cases.case import Array, Case, Function
from fastproc.cli.cases.inputs import normal_numbers


def _numpy_softmax(x: Array) -> Any:
    terms = np.subtract(x, np.max(x))
    np.exp(terms, out=terms)
    return np.divide(terms, np.sum(terms), out=terms)


def _numpy_log_softmax(x: Array) -> Any:
    rest = np.subtract(x, np.max(x))
    return np.subtract(rest, np.log(np.sum(np.exp(rest))), out=rest)


def _softmax(x: list[float]) -> list[float]:
    greatest = max(x)
    terms = [math.exp(v - greatest) for v in x]
    total = sum(terms)
    return [term / total for term in terms]


def _log_softmax(x: list[float]) -> list[float]:
    greatest = max(x)
    rest = greatest + math.log(sum([math.exp(v - greatest) for v in x]))
    return [v - rest for v in x]


def _scipy(name: str) -> Function:
    function: Function = getattr(importlib.import_module("scipy.special"), name)
    return function


def _case(kernel: str, numpy: Function, plain: Function) -> Case:
    peers = {"scipy": functools.partial(_scipy, kernel)}
    # One element alone has a logarithm of 0, give or take a rounding.
    return Case(kernel, "softmax", normal_numbers, numpy, peers, plain, bytes_moved=16, atol=1e-14)


CASES = (
    _case("softmax", _numpy_softmax, _softmax),
    _case("log_softmax", _numpy_log_softmax, _log_softmax),
)
