"""Why a model was not compiled, in the words of who has to put it right.

NeoError
  InputConfiguration       the archive, the model or DataInputConfig is at fault
  OperatorNotImplemented   the model has an operator that cannot be compiled ahead of time
  OutOfMemory              compiling takes more memory than the job has
  CompilerFailed           the compiler gave up or crashed; its own words stand in the log
  WrongAnswers             the compiled model does not compute what the original does

The first two names, and the sentences where AWS has some, are Neo's:
https://docs.aws.amazon.com/sagemaker/latest/dg/neo-troubleshooting-compilation.html
"""

from __future__ import annotations


class NeoError(Exception):
    """`str()` names the class of the error and says what happened."""

    def __str__(self) -> str:
        return f"{type(self).__name__}: {super().__str__()}"


class InputConfiguration(NeoError):
    pass


class OperatorNotImplemented(NeoError):
    pass


class OutOfMemory(NeoError):
    pass


class CompilerFailed(NeoError):
    pass


class WrongAnswers(NeoError):
    pass
