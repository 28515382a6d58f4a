"""Says in words how many there are of a thing."""


def counted(number: int, thing: str) -> str:
    """How many there are of a thing."""
    ending = "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{'' if number == 1 else ending}"
