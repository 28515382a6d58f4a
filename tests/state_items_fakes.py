"""What a program puts in the place of `state_items_prices`."""


def price(x):
    return x + 1000
