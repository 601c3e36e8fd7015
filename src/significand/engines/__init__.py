"""What executes the trained network. One file an engine, one line in the registry of base.py."""
