"""How results are shown. Values are prepared first, then drawn; drawing does no arithmetic."""
