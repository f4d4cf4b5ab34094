"""HTTP in, HTTP out: who calls, which operation, is it valid, whose is it."""
