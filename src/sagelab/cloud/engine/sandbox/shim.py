"""`python3` on a host that grew from a warm Python: asks process 1 for a fork that runs the script.

Written to each such host's /opt/sagelab/bin, and run by the real interpreter without its site packages, so
that it costs about ten milliseconds. `{python}` in `SCRIPT` is that interpreter.
"""

SCRIPT = """\
#!{python} -IS
import json, os, signal, socket, sys

PYTHON = {python!r}
READ_AT_IMPORT = ("TF_", "KERAS_", "XLA_", "OMP_", "MKL_", "KMP_", "JAX_", "PYTHONHASHSEED", "PYTHONMALLOC")


def warm(arguments):
    arguments = list(arguments)
    while arguments and arguments[0] in ("-u", "-B", "--"):
        arguments.pop(0)
    if not arguments or any(name.startswith(READ_AT_IMPORT) for name in os.environ):
        return None
    if arguments[0] == "-m" and len(arguments) > 1 and not arguments[1].startswith(("pip", "venv")):
        return arguments
    return arguments if not arguments[0].startswith("-") and os.path.isfile(arguments[0]) else None


def ask(arguments):
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    channel.connect("/run/sagelab/python.sock")
    request = dict(arguments=arguments, env=dict(os.environ), folder=os.getcwd(), shim=os.getpid())
    socket.send_fds(channel, [json.dumps(request).encode()], [0, 1, 2])
    pid = json.loads(channel.recv(4096))["pid"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    answer = channel.recv(4096)
    return json.loads(answer)["code"] if answer else 1


arguments = warm(sys.argv[1:])
if arguments is None:
    os.execv(PYTHON, [PYTHON, *sys.argv[1:]])
code = ask(arguments)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
