"""Built-in networks: ordinary workload files, each with ``model``, ``data`` and whatever else it needs.

A module here is all that a user's own file may be, and is found by its name: ``significand run cnn``.
"""
