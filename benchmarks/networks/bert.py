"""A BERT classifier of a folder that ``save_pretrained`` wrote, on made-up words without labels."""

import numpy as np
from torch import nn
from transformers import AutoModelForSequenceClassification

EXAMPLES, LENGTH, WORDS = 64, 64, 1000


def model(folder: str) -> nn.Module:
    """Return the network."""
    network: nn.Module = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    return network


def data() -> tuple[dict[str, np.ndarray], None]:
    """Return texts as numbers of words, all of the same length."""
    words = np.random.default_rng(0).integers(5, WORDS, size=(EXAMPLES, LENGTH))
    return {"input_ids": words, "attention_mask": np.ones_like(words)}, None
