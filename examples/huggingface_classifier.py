"""A classifier of Hugging Face transformers: its architecture from a configuration, or from a folder of yours.

Nothing is downloaded. Without a folder the weights are random, and the network learns a small task made from a seed:
which of two words comes more often in a text. Run it with::

    pip install transformers
    significand run examples/huggingface_classifier.py --epochs 3
    significand run examples/huggingface_classifier.py --set folder=path/to/saved_model --epochs 0

The folder is one that `save_pretrained` wrote. For a network of yours, change `data` to texts of yours, turned into
numbers by its tokenizer.
"""

import logging

import numpy as np
import torch
from torch import nn

TEXTS, LENGTH, WORDS = 1000, 24, 200
FEWER, MORE = 5, 6
"""The two words that are counted; 0 fills up what is shorter than the longest text."""


def model(folder: str = "", width: int = 32, depth: int = 2) -> nn.Module:
    """Return a BERT with a head for two classes: read from a folder, or new and of that size."""
    try:
        import transformers  # here, so that a missing package is said in one line
    except ModuleNotFoundError as error:
        raise RuntimeError(f"the network comes from transformers, but {error}; pip install transformers") from None
    for name in ("torchao", "torch.utils._pytree"):
        # transformers imports torchao, which tells of every kernel that is for another machine.
        logging.getLogger(name).setLevel(logging.ERROR)
    if folder:
        return transformers.AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=LENGTH,
    )
    return transformers.BertForSequenceClassification(config)


def data() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return texts as numbers of words, with what is text and what is filling, and whether `MORE` comes more often."""
    random = np.random.default_rng(0)
    words = random.integers(10, WORDS, size=(TEXTS, LENGTH))
    chance = random.random((TEXTS, LENGTH))
    leaning = random.permutation(np.arange(TEXTS) % 2)[:, np.newaxis]
    words[chance < 0.3] = FEWER
    words[chance < np.where(leaning, 0.25, 0.05)] = MORE
    is_text = np.arange(LENGTH) < random.integers(LENGTH // 2, LENGTH + 1, size=(TEXTS, 1))
    words[~is_text] = 0
    label = (words == MORE).sum(axis=1) > (words == FEWER).sum(axis=1)
    return {"input_ids": words, "attention_mask": is_text.astype(np.int64)}, label.astype(np.int64)


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that transformers are trained with."""
    return torch.optim.AdamW(model.parameters(), lr=2e-3)


# The network returns an object with `logits`: one tensor, so the default loss and score find it.
