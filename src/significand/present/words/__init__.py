"""What is said in words, wherever it is shown: in the terminal, on the page, below a table."""
