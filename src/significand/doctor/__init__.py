"""Is this machine fit to measure: checks that each look at one thing and change nothing, and the self-test."""
