"""Pure functions on numbers: NumPy, SciPy, moocore and ruptures only."""
