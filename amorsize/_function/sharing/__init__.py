"""Finds what items that run at the same time share."""
