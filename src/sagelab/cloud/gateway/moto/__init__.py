"""moto, called in process; only this package imports it."""
