"""A library of others that the office uses: always an installed one."""
