"""Sudo's password is in no file, log, report or process list, on either machine."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rigs import dlrig, reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from provision.box import Box


def test_sudo_with_a_password_leaves_no_trace(
    tmp_path: Path, fresh_box: Callable[..., Box]
) -> None:
    box = fresh_box(wheels=True)
    secret = box.password
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        # The box's processes are in this machine's table too.
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                if int(process.name) == os.getpid():
                    continue
                try:
                    if secret.encode() in (process / "cmdline").read_bytes():
                        seen.append((process / "cmdline").read_text())
                except OSError:
                    continue
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ran = dlrig(
            tmp_path,
            "up",
            *reach(box, "typist"),
            "--yes",
            "-v",
            "--data",
            "synthetic",
            "--steps",
            "30",
            "--become-password-file",
            "-",
            stdin=f"{secret}\n",
        )
    finally:
        stop.set()
        watcher.join()
    assert ran.code == 0, ran.text[-3000:]
    assert secret not in ran.text
    assert not seen
    # Its console log included; the only place that may know it is the box's own shadow file, as a hash.
    for place in (tmp_path, box.path("/")):
        found = subprocess.run(
            ["grep", "-rIlsF", "--exclude-dir=proc", "--exclude-dir=sys", "--", secret, place],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not found.stdout, found.stdout
