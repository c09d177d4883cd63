"""The MCP tools, grouped by what they touch."""
