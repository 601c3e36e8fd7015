"""What a run does in its process: train, write the network, infer, and watch time, noise, energy and memory."""
