"""`python3` on a host that grew from a warm Python: asks process 1 for a fork that runs the script.

Written to each such host's /opt/sagelab/bin, and run by the real interpreter without its site packages, so
that it costs about ten milliseconds. `{python}` in `SCRIPT` is that interpreter.
"""

SCRIPT = """\
#!{python} -IS
import json, os, signal, socket, sys

PYTHON = {python!r}


def split(arguments):
    # Options that a fork has anyway, and the rest, where a fork can be asked for it.
    others = (number for number, one in enumerate(arguments) if one not in ("-u", "-B", "--"))
    count = next(others, len(arguments))
    options, rest = arguments[:count], arguments[count:]
    if rest[:1] == ["-m"]:
        return options, (rest if len(rest) > 1 and not rest[1].startswith(("pip", "venv")) else None)
    return options, (rest if rest and not rest[0].startswith("-") and os.path.isfile(rest[0]) else None)


def inherits():
    # Whether files came with the command beside its streams: they cannot follow into a fork.
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue
        if int(name) > 2:
            return True
    return False


def ask(options, arguments):
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    channel.connect("/run/sagelab/python.sock")
    request = dict(options=options, arguments=arguments, env=dict(os.environ))
    request |= dict(folder=os.getcwd(), shim=os.getpid())
    socket.send_fds(channel, [json.dumps(request).encode()], [0, 1, 2])
    pid = json.loads(channel.recv(4096))["pid"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    answer = channel.recv(4096)
    return json.loads(answer)["code"] if answer else 1


options, arguments = split(sys.argv[1:])
if arguments is None or inherits():
    os.execv(PYTHON, [PYTHON, *sys.argv[1:]])
code = ask(options, arguments)
if code < 0:
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
