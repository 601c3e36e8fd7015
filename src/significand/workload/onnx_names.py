"""What files of an ONNX network are called. No torch and no onnx here."""

FILE = "network.onnx"
"""What the user's file is called in the folder of its examination: a link."""
