"""What a terminal shows, and the tables it prints for a paper or a pull request."""
