"""What runs inside a build's host: a buildspec's phases, one after the other."""
