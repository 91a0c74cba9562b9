"""Tools for assistants, by the Model Context Protocol; see `app.mcp.door`."""
