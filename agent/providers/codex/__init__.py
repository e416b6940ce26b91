"""The coding agent `codex app-server`, run as a child process and spoken to in JSON lines.

`protocol`, `items`, `asks` and `prelude` are pure; `child` runs the process, `conversation` is one
thread on it, `pool` keeps the few that may live, `client` is the Provider, `steering` passes on
what people say meanwhile, and `tools` are the calls its questions become.
"""
