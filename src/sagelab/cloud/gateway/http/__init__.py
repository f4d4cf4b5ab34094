"""HTTP on the wire: connections, requests, bodies."""
