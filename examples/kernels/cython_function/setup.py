"""Build the module:  python setup.py build_ext --inplace"""

from Cython.Build import cythonize
from setuptools import Extension, setup

# Without these a compiler keeps errno and exception flags, and vectorises neither cos nor division.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]

setup(
    name="waves",
    ext_modules=cythonize(
        [Extension("waves", ["waves.pyx"], extra_compile_args=FLAGS)], language_level=3
    ),
)
