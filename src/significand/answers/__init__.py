"""What is asked of results: one folder, two of them, a gate, a history."""
