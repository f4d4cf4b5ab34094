"""Lambda's functions run: called over the API, in an environment of their own, as AWS's documentation has it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.functions import RUNTIME, Functions, zipped
from tests.conftest import LocalCloud

RETURN = "def handler(event, context):\n    return "


@pytest.fixture(scope="module")
def functions(cloud: LocalCloud) -> Functions:
    import uuid

    return Functions(cloud, lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}", ["logs:*", "sts:*"])


def refusal(act: Callable[..., Any], **asked: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        act(**asked)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_handler_gets_event_and_context(functions: Functions) -> None:
    name = functions.make(
        RETURN + "[event, context.function_name, context.function_version, context.invoked_function_arn,"
        " context.memory_limit_in_mb, context.log_group_name, 0 < context.get_remaining_time_in_millis() <= 7000]",
        Timeout=7,
        MemorySize=256,
    )
    said = functions.call(name, {"a": [1, "ü"]})
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert said.payload == [{"a": [1, "ü"]}, name, "$LATEST", arn, "256", f"/aws/lambda/{name}", True]
    assert (said.status, said.error, said.version) == (200, None, "$LATEST")


def test_environment_is_kept_and_is_the_roles(functions: Functions) -> None:
    code = """
import boto3, os
calls = []
def handler(event, context):
    calls.append(event)
    who = boto3.client("sts").get_caller_identity()["Arn"]
    return len(calls), who, os.environ["COLOUR"], os.environ["AWS_LAMBDA_FUNCTION_NAME"]
"""
    name = functions.make(code, Environment={"Variables": {"COLOUR": "green"}})
    role = functions.role.rpartition("/")[2]
    who = f"arn:aws:sts::123456789012:assumed-role/{role}/{name}"
    assert functions.call(name).payload == [1, who, "green", name]
    assert functions.call(name).payload == [2, who, "green", name]


def test_log_has_each_call_between_its_lines(functions: Functions, cloud: LocalCloud) -> None:
    name = functions.make("""
import logging
logging.getLogger().setLevel("INFO")
print("starts")
def handler(event, context):
    print("printed")
    logging.info("two\\nlines")
""")
    said = functions.call(name)
    pattern = (
        r"starts\nSTART RequestId: ([\w-]+) Version: \$LATEST\nprinted\n\[INFO\]\t[\dT:.-]+Z\t\1\ttwo\nlines\n"
        r"END RequestId: \1\nREPORT RequestId: \1\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n"
    )
    assert re.fullmatch(pattern, said.log)
    logs, until = cloud.client("logs"), time.monotonic() + 20
    found: list[str] = []
    while time.monotonic() < until and len(found) < 6:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            events = []
        found = [event["message"] for event in events]
    assert [line.split(" ")[0].split("\t")[0] for line in found] == [
        *("starts", "START", "printed", "[INFO]", "END", "REPORT")
    ]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", events[0]["logStreamName"])


ERRORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "raised": (
        "def handler(event, context):\n    raise KeyError('x')",
        "index.handler",
        {"errorMessage": "'x'", "errorType": "KeyError"},
    ),
    "no module": (
        "import nothere",
        "index.handler",
        {
            "errorMessage": "Unable to import module 'index': No module named 'nothere'",
            "errorType": "Runtime.ImportModuleError",
        },
    ),
    "no handler": (
        "x = 1",
        "index.handler",
        {"errorMessage": "Handler 'handler' missing on module 'index'", "errorType": "Runtime.HandlerNotFound"},
    ),
    "bad name": (
        "x = 1",
        "index",
        {
            "errorMessage": "Bad handler 'index': not enough values to unpack (expected 2, got 1)",
            "errorType": "Runtime.MalformedHandlerName",
        },
    ),
    "no syntax": (
        "def (",
        "index.handler",
        {
            "errorMessage": "Syntax error in module 'index': invalid syntax (index.py, line 1)",
            "errorType": "Runtime.UserCodeSyntaxError",
        },
    ),
    "no json": (
        RETURN + "{1}",
        "index.handler",
        {
            "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
            "errorType": "Runtime.MarshalError",
        },
    ),
    "too much": (
        RETURN + "'x' * (6 << 20) + 'y' * 200",
        "index.handler",
        {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        },
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_in_awss_words(functions: Functions, case: str) -> None:
    code, handler, words = ERRORS[case]
    said = functions.call(functions.make(code, Handler=handler))
    assert (said.status, said.error) == (200, "Unhandled")
    assert {name: said.payload[name] for name in words} == words
    if case == "raised":
        trace = ["  File \"/var/task/index.py\", line 2, in handler\n    raise KeyError('x')\n"]
        assert said.payload["stackTrace"] == trace
        assert "[ERROR] KeyError: 'x'\nTraceback (most recent call last):\n  File" in said.log


SAYS = (
    "import gc, socket, sagelab.functions.wire as w; said = {{'kind': 'done', 'id': context.aws_request_id}};"
    " [w.send(s, said, {}) for s in gc.get_objects() if isinstance(s, socket.socket)]"
)
ENDS = {
    **dict.fromkeys(
        (SAYS.format("b'{'"), SAYS.format("b'[' * 100_000")),
        ("Runtime.ExitError", "Runtime exited with error: signal: killed"),
    ),
    "import time; time.sleep(60)": ("Sandbox.Timedout", "Task timed out after 1.00 seconds"),
    "import os; os._exit(3)": ("Runtime.ExitError", "Runtime exited with error: exit status 3"),
    "import sys; sys.exit()": ("Runtime.ExitError", "Runtime exited without providing a reason"),
    "import os; os.kill(os.getpid(), 11)": (
        "Runtime.ExitError",
        "Runtime exited with error: signal: segmentation fault",
    ),
    "x = [bytearray(1 << 20) for _ in range(300)]": (
        "Runtime.ExitError",
        "Runtime exited with error: signal: killed",
    ),
    "import os; [os.write(f, b'x' * 99) for f in range(3, 99) if os.path.exists(f'/proc/self/fd/{f}')]": (
        "Runtime.ExitError",
        "Runtime exited with error: signal: killed",
    ),
}


@pytest.mark.parametrize("act", ENDS)
def test_environment_that_ends_is_told_and_replaced(functions: Functions, act: str) -> None:
    kind, words = ENDS[act]
    name = functions.make(
        f"def handler(event, context):\n    if event: {act}\n    return 'well'", Timeout=1 if "sleep" in act else 9
    )
    said = functions.call(name, 1)
    assert (said.error, said.payload["errorType"]) == ("Unhandled", kind)
    assert re.fullmatch(rf"RequestId: [\w-]+ Error: {words}", said.payload["errorMessage"])
    assert "Status: timeout" in said.log if kind == "Sandbox.Timedout" else "Status: error" in said.log
    assert functions.call(name).payload == "well"


def test_code_and_machine_cannot_be_written(functions: Functions) -> None:
    code = """
import os
def handler(event, context):
    open("/tmp/x", "w").write("mine")
    said = []
    for path in ("/var/task/x", "/var/task/index.py", "/opt/x", "/usr/x", "/etc/x"):
        try:
            open(path, "w")
        except OSError as error:
            said.append(error.errno)
    return said, os.getcwd(), os.environ["LAMBDA_TASK_ROOT"], [n for n in os.environ if n.startswith("SAGELAB")]
"""
    assert functions.call(functions.make(code)).payload == [[30] * 5, "/var/task", "/var/task", []]


def test_layers_are_in_opt(functions: Functions) -> None:
    arns = []
    for number in (1, 2):
        files: dict[str, str | bytes] = {
            "python/shared.py": f"number = {number}",
            f"python/own{number}.py": "",
            "data.txt": str(number),
        }
        made = functions.client.publish_layer_version(
            LayerName=functions.unique("layer"), Content={"ZipFile": zipped(files)}
        )
        arns.append(made["LayerVersionArn"])
    code = "import shared, own1, own2\n" + RETURN + "[shared.number, open('/opt/data.txt').read()]"
    assert functions.call(functions.make(code, Layers=arns)).payload == [2, "2"]


def test_package_of_a_function_comes_before_ours(functions: Functions) -> None:
    files: dict[str, str | bytes] = {
        "index.py": "import boto3, botocore\n" + RETURN + "[boto3.__file__, botocore.own]",
        "boto3/__init__.py": "",
        "botocore/__init__.py": "own = 1",
    }
    assert functions.call(functions.make(files)).payload == ["/var/task/boto3/__init__.py", 1]


def test_versions_and_aliases_are_what_they_were(functions: Functions) -> None:
    name, client = functions.make(RETURN + "1"), functions.client
    client.publish_version(FunctionName=name)
    client.update_function_code(FunctionName=name, ZipFile=zipped({"index.py": RETURN + "2"}))
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert functions.call(name).payload == 2
    assert [functions.call(name, Qualifier=one).payload for one in ("1", "live", "$LATEST")] == [1, 1, 2]
    assert functions.call(f"{name}:live").version == "1"
    client.publish_version(FunctionName=name)
    client.update_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}},
    )
    assert functions.call(name, Qualifier="live").version == "2"
    code, words = refusal(client.invoke, FunctionName=name, Qualifier="none")
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}:none"
    assert (code, words) == ("ResourceNotFoundException", f"Function not found: {arn}")


def test_change_of_configuration_counts_at_once(functions: Functions) -> None:
    name = functions.make("import os\n" + RETURN + "os.environ.get('X')")
    assert functions.call(name).payload is None
    functions.client.update_function_configuration(FunctionName=name, Environment={"Variables": {"X": "new"}})
    assert functions.call(name).payload == "new"
    functions.client.delete_function(FunctionName=name)
    assert refusal(functions.client.invoke, FunctionName=name)[0] == "ResourceNotFoundException"


def test_reserved_concurrency_is_a_limit(functions: Functions, cloud: LocalCloud) -> None:
    name = functions.make("import time\ndef handler(event, context):\n    time.sleep(event or 0)", Timeout=30)
    functions.call(name)
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    client = cloud.client("lambda", config=botocore.config.Config(retries={"total_max_attempts": 1}))
    with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
        client.invoke(FunctionName=name)
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    functions.client.delete_function_concurrency(FunctionName=name)
    assert functions.call(name).error is None


def test_calls_at_a_time_have_environments_of_their_own(functions: Functions) -> None:
    code = """
def handler(event, context):
    open("/tmp/mine", "a").write(event)
    return open("/tmp/mine").read()
"""
    name, said = functions.make(code), list[str]()
    threads = [threading.Thread(target=lambda e=one: said.append(functions.call(name, e).payload)) for one in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(said) <= {"a", "b", "ab", "ba"}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"Runtime": "nodejs20.x"}, "NotImplemented", "it runs those of Python"),
    ({"Code": {"ImageUri": "1.dkr.ecr/x:1"}, "PackageType": "Image"}, "NotImplemented", "container image"),
    ({"Code": {"ZipFile": b"nothing"}}, "InvalidParameterValueException", "Could not unzip uploaded file"),
    ({"MemorySize": 20480}, "InvalidParameterValueException", "less than or equal to 10240"),
    ({"Timeout": 901}, "InvalidParameterValueException", "less than or equal to 900"),
    ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "reserved keys"),
    ({"Environment": {"Variables": {"X": "x" * 5000}}}, "InvalidParameterValueException", "4KB limit"),
    ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "NotImplemented", "SnapStart"),
]


@pytest.mark.parametrize(("asked", "code", "words"), REFUSED)
def test_what_cannot_be_is_refused(functions: Functions, asked: dict[str, Any], code: str, words: str) -> None:
    whole = {"Code": {"ZipFile": zipped({"index.py": ""})}, "Runtime": "python3.11", "Handler": "index.handler"}
    said = refusal(
        functions.client.create_function,
        **{"FunctionName": functions.unique("refused"), "Role": functions.role, **whole, **asked},
    )
    assert said[0] == code
    assert words in said[1]


def test_role_that_does_not_trust_lambda_is_refused(functions: Functions, cloud: LocalCloud) -> None:
    said = refusal(
        functions.client.create_function,
        FunctionName="untrusted",
        Role=cloud.home.role_arn,
        Code={"ZipFile": zipped({"index.py": ""})},
        Runtime="python3.11",
        Handler="index.handler",
    )
    assert said[1] == "The role defined for the function cannot be assumed by Lambda."


def test_event_is_json_of_six_megabytes(functions: Functions) -> None:
    name = functions.make(RETURN + "len(event)")
    said = refusal(functions.client.invoke, FunctionName=name, Payload=b"{")
    assert said[0] == "InvalidRequestContentException"
    assert "Could not parse request body into json" in said[1]
    assert functions.call(name, "x" * ((6 << 20) - 2)).payload == (6 << 20) - 2
    said = refusal(functions.client.invoke, FunctionName=name, Payload=json.dumps("x" * (6 << 20)))
    words = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert said == ("RequestTooLargeException", words)


def test_code_can_come_from_s3(functions: Functions, cloud: LocalCloud) -> None:
    s3, bucket = cloud.client("s3"), functions.unique("code")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="f.zip", Body=zipped({"index.py": RETURN + "'from s3'"}))
    name = functions.unique("function")
    asked = {"Runtime": "python3.8", "Handler": "index.handler", "Role": functions.role}
    functions.client.create_function(FunctionName=name, Code={"S3Bucket": bucket, "S3Key": "f.zip"}, **asked)
    said = functions.call(name)
    assert said.payload == "from s3"
    assert f"[sagelab] python3.8 is, here, {RUNTIME}" in said.log


@pytest.mark.long
def test_large_code_from_s3_is_never_all_in_memory(functions: Functions, cloud: LocalCloud) -> None:
    s3, bucket = cloud.client("s3"), functions.unique("code")
    s3.create_bucket(Bucket=bucket)
    large = zipped({"index.py": RETURN + "1", "large": os.urandom(150 << 20)})
    s3.upload_fileobj(io.BytesIO(large), bucket, "f.zip")
    running = cloud.home.server()
    assert running is not None
    proc = Path(f"/proc/{running['pid']}")

    def most() -> int:
        return int(re.findall(r"VmHWM:\s+(\d+) kB", (proc / "status").read_text())[0]) << 10

    (proc / "clear_refs").write_text("5")  # the most begins anew
    before = most()
    asked = {"Runtime": RUNTIME, "Handler": "index.handler", "Role": functions.role}
    made = functions.client.create_function(
        FunctionName=functions.unique("function"), Code={"S3Bucket": bucket, "S3Key": "f.zip"}, **asked
    )
    assert made["CodeSize"] == len(large)
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(large).digest()).decode()
    assert most() - before < 60 << 20


def test_dry_run_runs_nothing(functions: Functions) -> None:
    name = functions.make("raise SystemExit")
    assert functions.client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    stream = functions.client.invoke_with_response_stream
    assert refusal(stream, FunctionName=name)[0] == "NotImplemented"


def received(sqs: Any, queue: str) -> dict[str, Any]:
    """The next message of a queue."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MessageAttributeNames=["All"])
        if found.get("Messages"):
            message: dict[str, Any] = found["Messages"][0]
            return message
    raise AssertionError("nothing came")


def test_events_are_called_and_told(cloud: LocalCloud, functions: Functions) -> None:
    sqs, rights = cloud.client("sqs"), Functions(cloud, functions.unique, ["sqs:SendMessage"])
    urls = [sqs.create_queue(QueueName=rights.unique("told"))["QueueUrl"] for _ in range(3)]
    well, badly, dead = (
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for url in urls
    )
    code = "def handler(event, context):\n    if event['bad']: raise ValueError('bad')\n    return 'good'"
    name = rights.make(code, DeadLetterConfig={"TargetArn": dead})
    rights.client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": well}, "OnFailure": {"Destination": badly}},
    )
    for bad in (False, True):
        event = json.dumps({"bad": bad})
        answer = rights.client.invoke(FunctionName=name, InvocationType="Event", Payload=event)
        assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    told = json.loads(received(sqs, urls[0])["Body"])
    assert (told["requestPayload"], told["responsePayload"]) == ({"bad": False}, "good")
    assert told["requestContext"]["condition"] == "Success"
    told = json.loads(received(sqs, urls[1])["Body"])
    assert (told["requestContext"]["condition"], told["requestContext"]["approximateInvokeCount"]) == (
        "RetriesExhausted",
        1,
    )
    assert told["responseContext"]["functionError"] == "Unhandled"
    assert told["responsePayload"]["errorType"] == "ValueError"
    letter = received(sqs, urls[2])
    assert json.loads(letter["Body"]) == {"bad": True}
    assert letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "bad"


def test_event_is_of_one_megabyte(functions: Functions) -> None:
    name = functions.make(RETURN + "1")
    said = refusal(
        functions.client.invoke, FunctionName=name, InvocationType="Event", Payload=json.dumps("x" * (1 << 20))
    )
    assert said[0] == "RequestTooLargeException"


TELLS = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["TOLD"], MessageBody=json.dumps(event["Records"][0]))
"""


def test_services_call_a_function_whose_policy_lets_them(cloud: LocalCloud, functions: Functions) -> None:
    sqs, sns, s3 = (cloud.client(name) for name in ("sqs", "sns", "s3"))
    told, bucket = sqs.create_queue(QueueName=functions.unique("told"))["QueueUrl"], functions.unique("bucket")
    mine = Functions(cloud, functions.unique, ["sqs:SendMessage"])
    name = mine.make(TELLS, Environment={"Variables": {"TOLD": told}})
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    s3.create_bucket(Bucket=bucket)
    topic = sns.create_topic(Name=functions.unique("topic"))["TopicArn"]
    notify = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    asked = {"Bucket": bucket, "NotificationConfiguration": notify}
    assert "Unable to validate" in refusal(s3.put_bucket_notification_configuration, **asked)[1]
    for service, source in (("s3", f"arn:aws:s3:::{bucket}"), ("sns", topic)):
        mine.client.add_permission(
            FunctionName=name,
            StatementId=service,
            Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com",
            SourceArn=source,
        )
    s3.put_bucket_notification_configuration(**asked)
    s3.put_object(Bucket=bucket, Key="a b", Body=b"x")
    record = json.loads(received(sqs, told)["Body"])
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "a+b")
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
    record = json.loads(received(sqs, told)["Body"])
    assert [record["Sns"][one] for one in ("Message", "Subject", "TopicArn")] == ["hello", "greeting", topic]


def test_policy_of_a_function_lets_a_role_call_it(cloud: LocalCloud, functions: Functions) -> None:
    name, caller = functions.make(RETURN + "1"), functions.make_role(cloud, functions.unique("caller"), ["sts:*"])
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    code = f"import boto3\ndef handler(event, context):\n    boto3.client('lambda').invoke(FunctionName='{arn}')"
    calls = functions.make(code, Role=caller, Timeout=9)
    words = (
        f"is not authorized to perform: lambda:InvokeFunction on resource: {arn} because no identity-based policy"
    )
    assert words in functions.call(calls).payload["errorMessage"]
    functions.client.add_permission(
        FunctionName=name, StatementId="role", Action="lambda:InvokeFunction", Principal=caller
    )
    said = functions.call(calls)
    assert said.error is None, said.payload
