"""The subcommands of `amorsize`, one file for each."""
