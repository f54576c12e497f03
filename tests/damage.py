"""Damage to files, seeded: bytes that flip, vanish, repeat or are cut off, and words that no parser expects."""

import random
import re

WORDS = (
    "!!python/object:os.system {}", "!tag x", "!!timestamp 2026-99-99", "2026-13-45", "!!int x", "!!binary '*'",
    "!!set {1}", "!!omap [1]", "<<: 3", "{<<: [1]}", "&a [*a]", "*a", "[[1]: 2]", "{[1]: 2}", "{{}: 1}", "? [1]\n: 2",
    "9" * 5000, "1e999", ".nan", "-.inf", "NaN", '{"a": 1e400}', "-1", "0x", "1_0", "null", "true", "''", '"\\ud800"',
    "[", "{", "}", ": :", "- - -", "'", "@", "`", "|", ">", "\t", "\x00", "\u2028", "\ufeff", "%YAML 9", "---\n---",
    "[" * 3000, "{a: " * 3000, "../../etc",
)  # fmt: skip
"""What takes the place of a word of a text: tags, dates, merge keys, aliases to themselves, depths, sizes."""


def damaged(content: bytes, seed: int) -> bytes:
    """The content with something wrong with it; the same for the same seed."""
    rng = random.Random(seed)
    if rng.random() < 0.5 and (text := _as_text(content)) is not None:
        return _words(text, rng)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        content = _bytes(content, rng)
    return content


def _as_text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _words(text: str, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3))):
        spans = [match.span() for match in re.finditer(r"[^\s:,\[\]{}\"]+", text)]
        if not spans:
            return rng.choice(WORDS).encode()
        begin, end = rng.choice(spans)
        other = text[slice(*rng.choice(spans))]
        text = text[:begin] + rng.choice((rng.choice(WORDS), rng.choice(WORDS), other, "")) + text[end:]
    return text.encode("utf-8", "surrogatepass")


def _bytes(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return rng.randbytes(rng.randrange(64))
    at, length = rng.randrange(len(content)), rng.choice((1, 4, 16, 200))
    part = content[at : at + length]
    other = rng.choice(
        (
            rng.randbytes(len(part)), bytes(len(part)), b"\xff" * len(part), b"", part * 2, part[::-1],
            bytes(byte ^ (1 << rng.randrange(8)) for byte in part), b"\xff\xff\xff\x7f",
        )
    )  # fmt: skip
    return content[:at] if rng.random() < 0.1 else content[:at] + other + content[at + length :]
