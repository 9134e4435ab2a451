"""Memory of a long-lived process: few heaps, and a way back to the system."""

import subprocess
import sys

import pytest

# Eight threads allocate and free at once. `malloc_info` lists the heaps that glibc made for them.
PROGRAM = """
import ctypes, sys, threading
from keras_attn.system.free_memory import return_free_memory, share_few_heaps
if sys.argv[1] == "few":
    share_few_heaps()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(8)
def allocate():
    barrier.wait()
    blocks = [library.malloc(1000) for _ in range(100)]
    barrier.wait()
    for block in blocks:
        library.free(ctypes.c_void_p(block))
threads = [threading.Thread(target=allocate) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
return_free_memory()
library.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, stream)
library.fflush(stream)
"""


def num_heaps(how: str) -> int:
    command = [sys.executable, "-c", PROGRAM, how]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.count("<heap")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps")
def test_threads_share_two_heaps():
    assert num_heaps("many") > 2
    assert num_heaps("few") <= 2
