"""python3 -m sagelab.functions: the first process of a function's environment."""

from sagelab.functions.runtime import main

main()
