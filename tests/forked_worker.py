"""A worker of the run, as a fork of a Python that has imported what its tests do.

    python -I forked_worker.py SOCKET -u -c CODE

execnet starts, talks to and kills this process; the worker hears of it by the end of the connection (warm.py).
Standard library alone, and little of it.
"""

import json
import os
import socket
import sys

address, *_, code = sys.argv[1:]
# What the Python was told of warnings while it imported is nothing to its forks, and what they start.
asked = {
    "arguments": ["-c", f"import sys; sys.warnoptions.clear(); {code}"],
    "folder": os.getcwd(),  # noqa: PTH109
    "variables": dict(os.environ),
}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    text = json.dumps(asked).encode() + b"\n"
    connection.sendall(text[socket.send_fds(connection, [text], [0, 1, 2]) :])
    lines = connection.makefile()
    lines.readline()  # its process
    for open_file in (0, 1):
        os.close(open_file)  # the worker's alone: its end is seen at once
    sys.exit(int(lines.readline() or 1))
