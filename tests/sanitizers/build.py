"""Layer: tests.  Runs setup.py with a sanitizer: its modules, its flags, and the stresses too.

To be run in a copy of the sources as `python build.py SANITIZERS LIBRARY`: GCC gets the first after
``-fsanitize=``, and the extension modules go into the folder LIBRARY.
"""

import copy
import runpy
import sys

import setuptools

SANITIZERS, LIBRARY = sys.argv[1:]

# These differ from a family's module of level v2 by -march alone, and not every CPU runs them.
LEFT_OUT = ("_v3", "_v4")

# After setup.py's own flags.  Optimised a little, as the stress is no stress if it is slow; not
# much, or the compiler reorders what a report should name.
FLAGS = ["-O1", "-g1", f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=undefined"]

STRESSES = {"fastproc.shm._ring": "_ring_stress", "fastproc.shm._fifo": "_fifo_stress"}

original = setuptools.setup


def setup(ext_modules, **options):
    modules = [module for module in ext_modules if not module.name.endswith(LEFT_OUT)]
    for module in list(modules):
        module.extra_compile_args = [*module.extra_compile_args, *FLAGS]
        module.extra_link_args = [f"-fsanitize={SANITIZERS}"]
        if module.name in STRESSES:
            stress = copy.copy(module)
            stress.name = STRESSES[module.name]
            stress.sources = [f"{stress.name}.pyx"]
            modules.append(stress)
    original(ext_modules=modules, **options)


setuptools.setup = setup
sys.argv = ["setup.py", "-q", "build_ext", "-j2", "--build-lib", LIBRARY]
sys.argv += ["--build-temp", f"{LIBRARY}-objects"]
runpy.run_path("setup.py", run_name="__main__")
