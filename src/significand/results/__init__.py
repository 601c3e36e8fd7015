"""Finished runs: their records and the folder that keeps them."""
