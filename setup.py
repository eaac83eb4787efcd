"""Layer: build.  What ``pyproject.toml`` cannot describe: the modules, and a reproducible sdist.

Each family of kernels, such as ``fastproc/kernels/_reductions.pyx``, is compiled once per CPU
level, each time under another module name and with other compiler flags;
``fastproc/kernels/dispatch.py`` imports the best one that the running CPU supports.  Everything
else is compiled for the platform's baseline, so that it can be imported anywhere.
"""

import gzip
import os
import runpy
import sys
import sysconfig
import tarfile

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

# The families of kernels: a module of loops per CPU level, and one of gates.
FAMILIES = list(runpy.run_path("fastproc/catalogue.py")["FAMILIES"])

# The levels that the x86-64 psABI defines; a compiler that targets anything else builds the
# kernels once, for its own baseline.
X86_64_LEVELS = {level: [f"-march=x86-64-{level}"] for level in ("v2", "v3", "v4")}
BASELINE = {"baseline": []}

# GCC would read several rows of lanes column by column, in steps of 256 bytes, and with registers
# of 512 bits so fast that it matters that no processor takes this for a stream: the max of 10^7
# took 3.8 ms, and takes 2.9 (Zen 4).  In registers of 256 bits it pays while data are in a cache.
is_gcc = sys.platform == "linux" and "clang" not in (
    os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
)
if is_gcc:
    X86_64_LEVELS["v4"].append("-fno-loop-unroll-and-jam")

# No -ffast-math: NaN, Inf and the order of additions mean what the source says.  Without
# -ffp-contract=off the levels that have FMA would round differently from those that have not.
# -fno-math-errno and -fno-trapping-math change no value: they say that nobody reads errno or
# the exception flags, which lets comparisons be vectorised.
STRICT_FLOAT = [
    "-O3",
    "-g0",  # Python's own flags ask for debug information, which is nine tenths of a wheel
    "-fwrapv",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wno-tautological-compare",  # an integer is compared with itself where a float may be NaN
]

# Free-threaded Python: each module says in a comment why it is safe.  Sub-interpreters: none claims
# to be (Cython's default), since NumPy is not and the thread team is one per process.
DIRECTIVES = {
    "language_level": 3,
    "freethreading_compatible": True,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "binding": True,
    "embedsignature": False,
    "autotestdict": False,
    "auto_pickle": False,
}


def extension(name: str, source: str, flags: list[str]) -> Extension:
    """Describe one extension module compiled with `flags`."""
    return Extension(
        name,
        [source],
        include_dirs=[np.get_include(), "fastproc/kernels", "fastproc/shm"],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_25_API_VERSION")],
        extra_compile_args=flags,
    )


def plain_modules(names: list[str], flags: list[str]) -> list[Extension]:
    """Describe modules whose source stands where their name says."""
    return [extension(name, name.replace(".", "/") + ".pyx", flags) for name in names]


def kernel_modules(levels: dict[str, list[str]], flags: list[str]) -> list[Extension]:
    """Describe the kernels, once per level."""
    return [
        extension(
            f"fastproc.kernels._{family}_{level}", f"fastproc/kernels/_{family}.pyx", flags + march
        )
        for level, march in levels.items()
        for family in FAMILIES
    ]


class TranslatingBuild(build_ext):
    """Translates the sources when modules are to be compiled, and for no other command.

    A build asks for requirements, metadata, an sdist and more before that, each of which would
    otherwise begin with translating all, in folders of its own.
    """

    def run(self):
        """Translate, then compile."""
        # A level's modules have a folder of their own: a source becomes one of each.
        by_folder: dict[str, list[Extension]] = {}
        for module in self.extensions:
            (source,) = module.sources
            level = module.name.removeprefix(source.removesuffix(".pyx").replace("/", "."))
            by_folder.setdefault(f"build/cython{level}", []).append(module)
        for folder, modules in by_folder.items():
            translated = cythonize(
                modules,
                build_dir=folder,
                compiler_directives=DIRECTIVES,
                # On all cores: it takes as long as compiling what comes of it.  Where processes are
                # spawned, they would begin with running this file.
                nthreads=os.cpu_count() if sys.platform == "linux" else 0,
            )
            for module, result in zip(modules, translated, strict=True):
                assert module.name == result.name
                module.sources, module.depends = result.sources, result.depends
        super().run()


class ReproducibleSdist(sdist):
    """An sdist that does not tell who packed it, where and when, if SOURCE_DATE_EPOCH is set.

    A wheel needs no help: setuptools looks at that variable there, and the modules are compiled
    without debug information, which alone would name folders.
    """

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        """Pack `base_dir` and return the archive's name."""
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)

        def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644  # whatever the umask is
            entry.mtime = int(epoch)
            return entry

        archive = f"{base_name}.tar.gz"
        self.mkpath(self.dist_dir)
        with (
            open(archive, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            tar.add(base_dir, filter=anonymous)  # in the order of names
        return archive


if sys.platform == "win32":
    levels, flags = BASELINE, ["/O2", "/fp:precise"]
else:
    # The platform that is built for, not the one that builds: a macOS wheel may be for both of its
    # processors ("universal2"), and then one set of flags must do for both.
    is_x86_64 = sysconfig.get_platform().endswith("-x86_64")
    levels, flags = (X86_64_LEVELS if is_x86_64 else BASELINE), STRICT_FLOAT

if __name__ == "__main__":  # not in the processes that translate
    setup(
        cmdclass={"build_ext": TranslatingBuild, "sdist": ReproducibleSdist},
        options={"build_ext": {"parallel": os.cpu_count()}},
        ext_modules=[
            *kernel_modules(levels, flags),
            *plain_modules(
                [
                    "fastproc.kernels._cpu",
                    "fastproc.kernels.api",
                    "fastproc.shm._barrier",
                    "fastproc.shm._condition",
                    "fastproc.shm._copy",
                    "fastproc.shm._core",
                    "fastproc.shm._counters",
                    "fastproc.shm._event",
                    "fastproc.shm._fifo",
                    "fastproc.shm._items",
                    "fastproc.shm._lock",
                    "fastproc.shm._mutex",
                    "fastproc.shm._park",
                    "fastproc.shm._placed",
                    "fastproc.shm._plain",
                    "fastproc.shm._process",
                    "fastproc.shm._queue",
                    "fastproc.shm._ring",
                    "fastproc.shm._root",
                    "fastproc.shm._semaphore",
                    "fastproc.shm._synchronized",
                    "fastproc.shm._synchronized_array",
                    "fastproc.pool._worker",
                    "fastproc.pool._function",
                    "fastproc.pool._job",
                    "fastproc.pool._channel",
                    "fastproc.pool._roster",
                    "fastproc.pool._waiting",
                    "fastproc.pool._results",
                    "fastproc.pool._deaths",
                    "fastproc.pool._dispatcher",
                    "fastproc.pool._monitor",
                    "fastproc.parallel._threads",
                    "fastproc.parallel._lines",
                    "fastproc.parallel._custom",
                    *(f"fastproc.parallel._{family}" for family in FAMILIES),
                ],
                flags,
            ),
        ],
    )
