"""The command line: arguments to one function per command; no logic of the gateway."""
