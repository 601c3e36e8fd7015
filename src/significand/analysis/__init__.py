"""From runs to statements. Pure functions: NumPy, SciPy and moocore only, no files, no clock, no torch."""
