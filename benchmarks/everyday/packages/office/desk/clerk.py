"""Imports inside functions, as those do that would otherwise import in a circle."""


def enter(amount):
    """Into the ledger of the package above."""
    from ..ledger import entries

    entries.append(amount)
    return len(entries)


def add(amount):
    """To a total there, by the whole name."""
    import office.ledger

    office.ledger.total += amount
    return office.ledger.total


def correct(amount):
    """By what hardly any item needs."""
    from ..corrections import count

    return count(amount)
