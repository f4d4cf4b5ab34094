"""The kernel of a notebook, as a fork of a Python that has imported what notebooks import.

    python -I forked_kernel.py SOCKET CONNECTION_FILE

Jupyter starts, waits for and kills this process; the kernel is told of it by the end of the connection (warm.py).
Standard library alone, and little of it.
"""

import json
import os
import socket
import sys

address, file = sys.argv[1:]
asked = {
    "arguments": ["-m", "ipykernel_launcher", "-f", file],
    "folder": os.getcwd(),  # noqa: PTH109
    "variables": dict(os.environ),
}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    text = json.dumps(asked).encode() + b"\n"
    connection.sendall(text[socket.send_fds(connection, [text], [1, 2]) :])
    lines = connection.makefile()
    lines.readline()  # its process
    sys.exit(int(lines.readline()))
