"""The PNG files of a result folder: values prepared, then drawn."""
