"""dlrig: from a bare Ubuntu box to an accepted deep-learning rig."""

__version__ = "0.1.0"
