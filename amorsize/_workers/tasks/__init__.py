"""A task on its way to workers that were not forked."""
