"""What can go wrong with a box."""

from __future__ import annotations

from provision.errors import DlrigError


class BoxError(DlrigError):
    """A box could not be made, booted or reached; the message says which, and what to do."""
