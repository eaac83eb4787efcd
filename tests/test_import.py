"""Layer: tests.  Importing fastproc: what it loads, and what it says where it cannot."""

import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path

import fastproc


def run(code, cwd):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd)


def test_kernels_do_not_load_multiprocessing(tmp_path):
    code = (
        "import sys, fastproc; fastproc.sum([1.0]); fastproc.sum([[1.0] * 9999] * 99, axis=0);"
        "print([name for name in sys.modules if name.startswith('multiprocessing')])"
    )
    answer = run(code, tmp_path)
    assert answer.stdout == "[]\n", answer.stderr


def test_what_is_not_used_is_not_loaded(tmp_path):
    loaded = "print(*('numpy' in sys.modules, 'multiprocessing' in sys.modules))"
    answer = run(f"import sys, fastproc; {loaded}; fastproc.sum; {loaded}", tmp_path)
    assert answer.stdout == "False False\nTrue False\n", answer.stderr


def test_workers_without_arrays_do_not_load_numpy(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("""
import sys
import fastproc as fp

def has_numpy(_):
    return "numpy" in sys.modules

if __name__ == "__main__":
    for method in sys.argv[1:]:
        with fp.Pool(2, context=method) as pool:
            pool.map(str, range(1000))
            print(any(pool.map(has_numpy, range(10))), has_numpy(0))
""")
    methods = multiprocessing.get_all_start_methods()
    answer = subprocess.run(
        [sys.executable, script, *methods], capture_output=True, text=True, cwd=tmp_path
    )
    assert answer.stdout == "False False\n" * len(methods), answer.stderr


def test_sources_without_compiled_modules_say_what_to_do(tmp_path):
    shutil.copytree(
        Path(fastproc.__file__).parent,
        tmp_path / "fastproc",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"),
    )
    answer = run("import sys; sys.path.insert(0, '.'); import fastproc", tmp_path)
    assert answer.returncode == 1
    message = answer.stderr.splitlines()[-1]
    assert message.startswith("ImportError: the fastproc in ")
    assert "has no compiled modules for this Python" in message
    assert message.endswith("compile these sources in place with: pip install -e .")
