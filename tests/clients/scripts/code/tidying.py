"""What a word is."""

from pyspark.sql import Column, functions


def tidy(word: Column) -> Column:
    return functions.lower(functions.regexp_replace(word, "[^A-Za-z]", ""))
