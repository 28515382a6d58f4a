"""What `state_items` has under another name."""

RATE = 1


def price(x):
    return x


def rated(x):
    return RATE * x


DISCOUNTS = {"discount": 2}


def __getattr__(name):
    if name in DISCOUNTS:
        return DISCOUNTS[name]
    raise AttributeError(name)
