"""The checks of a machine's health: each looks at one thing, says what it found, and changes nothing."""
