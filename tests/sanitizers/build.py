"""Layer: tests.  Runs setup.py with a sanitizer: its modules, its flags, and the stresses too.

To be run in a copy of the sources as `python build.py SANITIZERS LIBRARY`: GCC gets the first after
``-fsanitize=``, and the extension modules go into the folder LIBRARY.
"""

import copy
import runpy
import sys

import Cython.Build

SANITIZERS, LIBRARY = sys.argv[1:]

# These differ from a family's module of level v2 by -march alone, and not every CPU runs them.
LEFT_OUT = ("_v3", "_v4")

# After setup.py's own flags.  Optimised a little, as the stress is no stress if it is slow; not
# much, or the compiler reorders what a report should name.
FLAGS = ["-O1", "-g1", f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=undefined"]

STRESSES = {"fastproc.shm._ring": "_ring_stress", "fastproc.shm._fifo": "_fifo_stress"}

original = Cython.Build.cythonize


def cythonize(extensions, **options):
    extensions = [extension for extension in extensions if not extension.name.endswith(LEFT_OUT)]
    for extension in extensions:
        extension.extra_compile_args = [*extension.extra_compile_args, *FLAGS]
        extension.extra_link_args = [f"-fsanitize={SANITIZERS}"]
        if extension.name in STRESSES:
            stress = copy.copy(extension)
            stress.name = STRESSES[extension.name]
            stress.sources = [f"{stress.name}.pyx"]
            extensions = [*extensions, stress]
    return original(extensions, **options)


Cython.Build.cythonize = cythonize
sys.argv = ["setup.py", "-q", "build_ext", "-j2", "--build-lib", LIBRARY]
sys.argv += ["--build-temp", f"{LIBRARY}-objects"]
runpy.run_path("setup.py", run_name="__main__")
