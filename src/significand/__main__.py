"""``python -m significand`` is the command line."""

from significand.cli import program

program()
