"""Python runs this at the start of a prompt or a kernel (PYTHONSTARTUP): errors of cells are explained there."""

try:
    from sagelab.lab.guide import install as sagelab_install
except ImportError:  # another environment's Python
    pass
else:
    sagelab_install()
    del sagelab_install
