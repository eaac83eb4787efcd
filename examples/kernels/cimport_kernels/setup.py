"""Build the module:  python setup.py build_ext --inplace"""

from importlib.util import find_spec
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# Cython looks for .pxd files in the folders of sys.path, which do not have a package that was
# installed with `pip install -e`: so the folder in which fastproc is, is named.
spec = find_spec("fastproc")
assert spec is not None
assert spec.origin is not None
FOLDER = str(Path(spec.origin).parents[1])

setup(
    name="stats",
    ext_modules=cythonize(
        [Extension("stats", ["stats.pyx"])], include_path=[FOLDER], language_level=3
    ),
)
