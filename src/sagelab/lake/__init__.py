"""What runs inside the host of a query of Athena or of a crawler of Glue: DuckDB over files of S3."""
