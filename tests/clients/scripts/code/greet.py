"""Says where it runs and what it was told."""

import os
import socket
import sys

print(os.environ.get("GREETING", "good morning"), *sys.argv[1:], "on", socket.gethostname())
