"""Says where it runs and what it was told."""

import importlib.util
import os
import socket
import sys

print(os.environ.get("GREETING", "good morning"), *sys.argv[1:], "on", socket.gethostname())
print("with its packages:", importlib.util.find_spec("heard_of_never") is not None)
