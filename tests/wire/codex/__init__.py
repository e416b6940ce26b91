"""A loopback `codex app-server`: a real process that plays a script over its pipes."""
