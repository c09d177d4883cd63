"""The faces of the order management system: MCP server and command line."""
