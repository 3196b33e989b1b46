"""A key that signs an apt repository, made for one test run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path


class Key:
    """An OpenPGP key in a folder of its own; ``remove`` deletes it."""

    def __init__(self, owner: str) -> None:
        # below /tmp: the agent's socket has room for 108 characters of path
        self._home = Path(tempfile.mkdtemp(prefix="simulated-key-"))
        try:
            self._gpg("--quick-generate-key", f"{owner} (simulated)", "ed25519", "sign", "never")
            self.public = self._gpg("--export")
        except BaseException:
            self.remove()
            raise

    def clear_sign(self, content: bytes) -> bytes:
        """The content with its signature around it, as InRelease has it."""
        return self._gpg("--clearsign", stdin=content)

    def detached(self, content: bytes) -> bytes:
        """The signature alone, as Release.gpg has it."""
        return self._gpg("--armor", "--detach-sign", stdin=content)

    def remove(self) -> None:
        """Leave nothing of it."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        options = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        home = ["--homedir", str(self._home)]
        try:
            done = subprocess.run(
                ["gpg", *home, *options, *arguments],
                input=stdin,
                capture_output=True,
                check=True,
                timeout=60,
            )
        finally:
            # gpg starts an agent that would outlive a test run that is killed
            subprocess.run(["gpgconf", *home, "--kill", "all"], check=False, timeout=60)
        return done.stdout
