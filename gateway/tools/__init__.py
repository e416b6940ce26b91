"""Tools that work on the gateway's own rows and on the people it talks to."""
