"""Images that items draw on keep what is drawn."""

import contextvars

import pytest
from PIL import Image, ImageDraw, ImageOps

from amorsize._function.sharing.thread_safety import examine
from amorsize._watching.value_looks import new_digest

SHARED = Image.new("L", (4, 4))
ROWS: list[object] = []
CURRENT = contextvars.ContextVar("rows", default=ROWS)

DRAWN = {
    "putpixel": lambda image: image.putpixel((0, 0), 9),
    "paste": lambda image: image.paste(9, (0, 0, 2, 2)),
    "line": lambda image: ImageDraw.Draw(image).line((0, 0, 3, 3), fill=9),
    "fill": lambda image: ImageDraw.floodfill(image, (0, 0), 9),
    "pixels": lambda image: image.load().__setitem__((0, 0), 9),
    "thumbnail": lambda image: image.thumbnail((2, 2)),
    "turned in place": lambda image: ImageOps.exif_transpose(image, in_place=True),
    "alpha": lambda image: image.putalpha(9),
}


@pytest.mark.parametrize("way", DRAWN)
def test_what_is_drawn_on_an_item_is_told(way):
    """A worker would draw on a copy, in a branch that the first items do not take as well."""
    reach, _ = examine(DRAWN[way], [Image.new("L", (4, 4)) for _ in range(2)])

    assert reach.changed


@pytest.mark.parametrize("way", DRAWN)
def test_what_is_drawn_on_a_shared_image_is_told(way):
    """The same of one that all items share."""
    draw = DRAWN[way]
    reach, _ = examine(lambda _: draw(SHARED), [1, 2])

    assert reach.stores or reach.changed


LOOKS = {
    "resized": lambda image: image.resize((2, 2)).getpixel((0, 0)),
    "drawn on a copy": lambda image: ImageDraw.Draw(image.copy()).point((0, 0)),
    "new image": lambda image: Image.new("L", image.size).putpixel((0, 0), 1),
    "turned": lambda image: ImageOps.exif_transpose(image).size,
}


@pytest.mark.parametrize("way", LOOKS)
def test_what_is_drawn_elsewhere_is_not_told(way):
    """Such items go to workers."""
    reach, _ = examine(LOOKS[way], [Image.new("L", (4, 4)) for _ in range(2)])

    assert (reach.stores, reach.changed) == ((), ())


@pytest.mark.parametrize("size", [(4, 4), (2000, 1000)])
def test_the_look_around_an_item_sees_what_was_drawn(size):
    """Pixels lie where no attribute leads."""
    image = Image.new("RGB", size)
    looks = []
    for _ in range(2):
        looks.append(new_digest().of(image))
        ImageDraw.Draw(image).line((0, 0, *size), fill="white")

    assert looks[0] != looks[1]


def test_what_a_context_variable_holds_is_followed():
    """`get` gives what is the same for all items."""
    reach, _ = examine(lambda x: CURRENT.get().append(x), [1, 2])

    assert reach.stores
