"""A simulated library: a real shared object that the dynamic linker loads, with nothing to call in it."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def library(name: str) -> bytes:
    """The object whose SONAME is ``name``; the tests of workloads need gcc too."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "library.so")
        bare = (
            "-shared",
            "-nostdlib",
            "-s",
            f"-Wl,-soname,{name},--build-id=none,-z,noseparate-code",
        )
        subprocess.run(
            ["gcc", *bare, "-x", "c", "-", "-o", str(made)],
            input=b'const char simulated[] = "simulated";\n',
            check=True,
            capture_output=True,
            timeout=60,
        )
        return made.read_bytes()
