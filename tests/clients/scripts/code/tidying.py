"""What a word is."""

from pyspark.sql import functions


def tidy(word):
    return functions.lower(functions.regexp_replace(word, "[^A-Za-z]", ""))
