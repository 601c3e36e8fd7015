"""What is to be measured: precision modes and experiments, checked before anything runs."""
