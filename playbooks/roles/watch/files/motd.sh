#!/bin/sh
# Managed by dlrig; a change made here is undone by its next run.
exec /usr/local/sbin/dlrig-watch login
