"""Pictures of calls, which load matplotlib when one is asked for."""
