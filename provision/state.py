"""Where dlrig keeps its results on the control machine.

``DLRIG_STATE``, or else ``dlrig`` in the user's state folder (``~/.local/state``). Inside: ``history.sqlite``
and ``runs/<id>/`` with what one run left. Only the user can read any of it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from provision.errors import DlrigError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "DLRIG_STATE"
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def new_id(now: dt.datetime | None = None) -> str:
    """``YYYYMMDDTHHMMSSZ-xxxxxx``: sorts by time, unique by its random end."""
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def state_folder() -> Path:
    """The folder of everything that is kept; made where it is missing.

    Raises:
        DlrigError: it cannot be made or written to.
    """
    asked = os.environ.get(VARIABLE, "").strip()
    if asked:
        folder = Path(os.path.abspath(os.path.expanduser(asked)))  # noqa: PTH100, PTH111 - an unknown ~user stays as it is instead of raising
    else:
        import platformdirs  # noqa: PLC0415 - not needed where the folder is named

        folder = platformdirs.user_state_path("dlrig", appauthor=False)
    return _ready(folder)


def history_path() -> Path:
    """The history's database; its folder is there.

    Raises:
        DlrigError: the folder cannot be made or written to.
    """
    return state_folder() / "history.sqlite"


def run_folder(run_id: str) -> Path:
    """The folder of one run; made where it is missing.

    Raises:
        DlrigError: it cannot be made or written to.
        ValueError: ``run_id`` has not the form that ``new_id`` gives.
    """
    if not RUN_ID.fullmatch(run_id):
        raise ValueError(f"{run_id!r} is not the id of a run")
    return _ready(_ready(state_folder() / "runs") / run_id)


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file: whole, or not at all.

    Args:
        path: which one.
        content: of it.
        mode: who may read it; the user alone.

    Raises:
        DlrigError: the folder is full, missing or closed to the user.
    """
    with writing(path.parent):
        # mkstemp makes it 0600, in the same folder so that the replacement is one step.
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses inside ``folder`` into a sentence.

    Raises:
        DlrigError: an OSError was raised inside.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error.strerror or str(error)) from error


def unwritable(folder: Path, why: str) -> DlrigError:
    """The error for a folder that takes no results."""
    return DlrigError(
        f"results cannot be kept in this folder: {why[:1].lower()}{why[1:]}",
        where=str(folder),
        hint="Make room there and let your user write to it, or name another folder: "
        f"{VARIABLE}=/path/to/a/folder dlrig …",
        reference="state-unwritable",
    )


def _ready(folder: Path) -> Path:
    """``folder``, made for the user alone where it is missing; one that exists keeps its permissions."""
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "permission denied")
    return folder
