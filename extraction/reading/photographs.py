"""Photographs as RGB pixels, whatever they were stored as."""

import logging
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from errors import InputError
from extraction.reading.readable import COPY_AGAIN, UPRIGHT, Turn, check_file, turned
from extraction.types import Image

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
"""What Pillow may take a file for: no format that runs a program (EPS) or names other files."""

MOST_PIXELS = 178_956_970
"""Larger images are refused: a small file may claim any size. It is where Pillow stops too; 12,000 x 12,000 passes."""

LONGEST_SIDE = 32_766
"""Images with a longer side are refused: OpenCV cuts nobody out of them."""

ORIENTATION = 0x0112
TURNS = {  # by the value of EXIF's orientation
    2: Turn(False, True, False),
    3: Turn(False, True, True),
    4: Turn(False, False, True),
    5: Turn(True, False, False),
    6: Turn(True, True, False),
    7: Turn(True, True, True),
    8: Turn(True, False, True),
}

# Pillow warns of large images from half of MOST_PIXELS on and of odd metadata, in the middle of a progress bar
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def read_image(path: Path) -> Image:
    """A photograph as uint8 [H, W, 3], RGB, turned as its EXIF orientation says.

    Grey, palette and CMYK become RGB; transparent pixels lie over white, as most viewers show them; 16 bits keep the
    upper 8. Of a file with several pictures the first is taken.

    Raises:
        InputError: no such file, a folder, no permission, no bytes, no image or of an unknown kind, cut off or damaged,
            over `MOST_PIXELS` pixels or `LONGEST_SIDE` on a side, or 32-bit pixels, whose range is not known.
    """
    check_file(path)
    try:
        with Pillow.open(path, formats=FORMATS) as image:
            if max(image.size) > LONGEST_SIDE:
                raise InputError(
                    f"{path}: has {image.width:,} x {image.height:,} pixels, a side may have {LONGEST_SIDE:,}; make it "
                    "smaller, or cut the people out"
                )
            image.load()
            return turned(_rgb(path, image), _turn(image))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise _no_image(path) from None
    except Pillow.DecompressionBombError:
        raise InputError(f"{path}: has over {MOST_PIXELS // 10**6} million pixels; make it smaller") from None
    # a damaged file makes Pillow's readers raise nearly anything: OSError, SyntaxError, ValueError, struct.error
    except Exception as problem:
        # once somebody has imported ultralytics, Pillow asks for a package instead of saying that it knows no such kind
        if isinstance(problem.__context__, UnidentifiedImageError):
            raise _no_image(path) from None
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise InputError(f"{path}: the image is cut off or damaged ({reason}); {COPY_AGAIN}") from None


def _no_image(path: Path) -> InputError:
    return InputError(f"{path}: is no image that can be read; save it as JPEG or PNG, or take it out of the folder")


def _rgb(path: Path, image: Pillow.Image) -> Image:
    if image.mode in ("I", "F"):
        raise InputError(
            f"{path}: has 32-bit pixels, and nobody knows which of their values is white; save it with 8 bits"
        )
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        white = Pillow.new("RGBA", image.size, "white")
        image = Pillow.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _turn(image: Pillow.Image) -> Turn:
    try:
        orientation = image.getexif().get(ORIENTATION)
    # EXIF that cannot be read says nothing; Pillow raises struct, syntax, value and type errors on it
    except Exception:
        return UPRIGHT
    return TURNS.get(orientation, UPRIGHT) if isinstance(orientation, int) else UPRIGHT
