"""A total that lives in a module of its own."""

total = 0
entries: list = []
