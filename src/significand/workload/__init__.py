"""The thing measured: data, network and training."""
