"""The environment that an experiment was held against: where it is, and how it differs from this one."""

from collections.abc import Iterator, Mapping

from significand.present.rows import mapping, visible


def other_environment_words(manifest: Mapping[str, object]) -> str:
    """Say where it is, and which versions are others there; empty without one.

    Such as ``"/envs/next, with onnxruntime 1.33.0 instead of 1.32.0"``.
    """
    there, here = mapping(manifest.get("against")), mapping(manifest.get("machine"))
    if not there:
        return ""
    sides = [{"python": one.get("python"), **mapping(one.get("versions"))} for one in (there, here)]
    differing = [
        f"{visible(name)} {visible(sides[0].get(name) or 'missing')} instead of {visible(sides[1].get(name) or 'none')}"
        for name in dict.fromkeys([*sides[0], *sides[1]])
        if sides[0].get(name) != sides[1].get(name)
    ]
    told = ", ".join(differing) or "the same versions of what significand uses"
    return f"{visible(there.get('path'))}, with {told}"


def environment_lines(manifest: Mapping[str, object]) -> Iterator[str]:
    """Say what the other environment is, where there is one."""
    if words := other_environment_words(manifest):
        yield f"The other environment is {words}."
