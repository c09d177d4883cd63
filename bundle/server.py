"""What does a host start that was given the bundle? The server, over standard input and output."""

import os
import sys

from oms_mcp.cli import main

for name in ("OMS_DB", "OMS_TOOLSETS"):
    if os.environ.get(name, "").startswith("${"):  # a host that was given no value may leave its place as it stands
        del os.environ[name]
sys.argv[1:] = ["serve", *sys.argv[1:]]
main()
