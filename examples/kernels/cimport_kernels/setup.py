"""Build the module:  python setup.py build_ext --inplace"""

from Cython.Build import cythonize
from setuptools import Extension, setup

# Cython finds fastproc's .pxd files in the installed package.
setup(name="stats", ext_modules=cythonize([Extension("stats", ["stats.pyx"])], language_level=3))
