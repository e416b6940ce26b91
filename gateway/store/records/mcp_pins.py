"""What was agreed to of each tool of an MCP server."""

import orjson

from agent.tools.mcp_definitions import Definition
from agent.tools.mcp_pins import Pin
from gateway.store.base import Tx


def of(tx: Tx, server: str) -> tuple[Pin, ...]:
    """All pins of one server."""
    rows = tx.rows(
        "SELECT tool, description, parameters, agreed, declaration FROM mcp_pin WHERE server = ?"
        " ORDER BY tool",
        server,
    )
    return tuple(
        Pin(
            definition=Definition(
                server=server, tool=tool, description=description, schema=orjson.loads(parameters)
            ),
            agreed=agreed,
            declaration=declaration,
        )
        for tool, description, parameters, agreed, declaration in rows
    )


def keep(tx: Tx, pins: tuple[Pin, ...]) -> None:
    """Store pins, each in place of the one before."""
    for pin in pins:
        tx.run(
            "INSERT INTO mcp_pin (server, tool, description, parameters, agreed, declaration)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (server, tool) DO UPDATE SET"
            " description = excluded.description, parameters = excluded.parameters,"
            " agreed = excluded.agreed, declaration = excluded.declaration",
            pin.definition.server,
            pin.definition.tool,
            pin.definition.description,
            orjson.dumps(pin.definition.schema).decode(),
            pin.agreed,
            pin.declaration,
        )
