"""``python -m significand`` is the command line."""

import sys

from significand.cli import main

sys.exit(main())
