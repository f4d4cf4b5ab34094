"""The console: a page that shows what the local cloud has and does, as AWS's own console does."""
