"""The acceptance of a deep-learning rig: ``pytest checks/ --rig user@host``, or ``pytest checks/`` on the rig."""
