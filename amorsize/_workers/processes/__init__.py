"""Worker processes, forked or in new interpreters."""
