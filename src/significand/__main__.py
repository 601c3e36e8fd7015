"""``significand`` and ``python -m significand`` are the command line."""

import gc


def program() -> None:
    """Be the program, and take what it imports for what it is: here to stay."""
    gc.disable()  # to look again and again through what is being imported took a fifth of the time of help
    from significand.cli import program as run  # noqa: PLC0415 - not before

    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    gc.enable()
    run()


COLLECTED_AFTER = 50_000
"""New objects after which those that hold each other are looked for; Python's 700 are soon there, and all in use."""

if __name__ == "__main__":
    program()
