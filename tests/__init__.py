"""The test suite; a package so that its loopback servers can also be started as programs."""
