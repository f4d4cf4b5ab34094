"""Hadoop's file system over S3, in one Java, against a local cloud: what programs of Hadoop's rely on."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LocalCloud
from tests.spark.conftest import Keys

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # its packages are pulled first, 600 MB

MB = 1 << 20
NAMES = ["plain", "a b", "a+b", "100%25", "ключ-é-日本", "a=1", "quote'\"<&>", "semi;colon,comma", "x~y!(z)*"]


class Hadoop:
    """One file system. said: the class and message of what Java threw."""

    def __init__(self, java: Any, bucket: str, scheme: str = "s3a", **options: str) -> None:
        self.java, self.root = java, f"{scheme}://{bucket}"
        conf = java.org.apache.hadoop.conf.Configuration(False)
        for name, value in {"fs.sagelab.buffer.dir": "/tmp", "fs.s3a.retry.interval": "20ms", **options}.items():
            conf.set(name.replace("__", "."), value)
        self.fs = java.sagelab.s3.S3FileSystem()
        self.fs.initialize(java.java.net.URI.create(self.root), conf)

    def path(self, key: str) -> Any:
        return self.java.org.apache.hadoop.fs.Path(f"{self.root}/{key}")

    def write(self, key: str, data: bytes, overwrite: bool = True) -> None:
        stream = self.fs.create(self.path(key), overwrite)
        stream.write(data)
        stream.close()

    def read(self, key: str) -> bytes:
        stream = self.fs.open(self.path(key))
        data = bytes(stream.readAllBytes())
        stream.close()
        return data

    def names(self, key: str) -> list[tuple[str, bool, int]]:
        found = self.fs.listStatus(self.path(key))
        return sorted((one.getPath().getName(), one.isDirectory(), one.getLen()) for one in found)

    def status(self, key: str) -> Any:
        return self.fs.getFileStatus(self.path(key))


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    from py4j.protocol import Py4JJavaError

    with pytest.raises(Py4JJavaError) as caught:
        call()
    thrown = caught.value.java_exception
    return thrown.getClass().getSimpleName(), str(thrown.getMessage())


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"hadoop-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def hadoop(java: Any, bucket: str) -> Hadoop:
    return Hadoop(java, bucket)


def keys_of(s3: Any, bucket: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sorted(one["Key"] for page in pages for one in page.get("Contents", []))


@pytest.mark.parametrize("scheme", ["s3a", "s3", "s3n"])
def test_names_of_any_characters_are_written_listed_and_read(java: Any, s3: Any, bucket: str, scheme: str) -> None:
    fs = Hadoop(java, bucket, scheme)
    for name in NAMES:
        fs.write(f"in {scheme}/{name}", name.encode())
    assert keys_of(s3, bucket) == sorted(f"in {scheme}/{name}" for name in NAMES)
    assert fs.names(f"in {scheme}") == sorted((name, False, len(name.encode())) for name in NAMES)
    for name in NAMES:
        assert fs.read(f"in {scheme}/{name}") == name.encode()
        assert s3.get_object(Bucket=bucket, Key=f"in {scheme}/{name}")["Body"].read() == name.encode()


def test_a_folder_is_a_prefix_or_an_empty_marker(hadoop: Hadoop, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="deep/er/file", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="empty/")
    assert hadoop.names("") == [("deep", True, 0), ("empty", True, 0)]
    assert hadoop.names("deep") == [("er", True, 0)]
    assert hadoop.names("deep/er/file") == [("file", False, 5)]
    assert hadoop.names("empty") == []
    assert [hadoop.status(one).isDirectory() for one in ("", "deep", "empty", "deep/er/file")] == [
        *[True] * 3,
        False,
    ]
    assert hadoop.fs.mkdirs(hadoop.path("made/by/us"))
    assert keys_of(s3, bucket) == ["deep/er/file", "empty/", "made/by/us/"]
    assert refusal(lambda: hadoop.fs.mkdirs(hadoop.path("deep/er/file/below")))[0] == "FileAlreadyExistsException"
    assert refusal(lambda: hadoop.names("nothing"))[0] == "FileNotFoundException"
    assert not hadoop.fs.exists(hadoop.path("deep/e"))


def test_a_status_has_the_size_and_the_time_of_s3(hadoop: Hadoop, s3: Any, bucket: str) -> None:
    hadoop.write("file", b"x" * 1000)
    there = s3.head_object(Bucket=bucket, Key="file")
    status, (listed,) = hadoop.status("file"), hadoop.fs.listStatus(hadoop.path(""))
    assert (status.getLen(), listed.getLen()) == (1000, 1000)
    assert status.getModificationTime() // 1000 == int(there["LastModified"].timestamp())
    assert listed.getModificationTime() // 1000 == int(there["LastModified"].timestamp())


def test_a_listing_goes_on_over_its_pages(java: Any, s3: Any, bucket: str) -> None:
    fs = Hadoop(java, bucket, fs__s3a__paging__maximum="7")
    for number in range(23):
        s3.put_object(Bucket=bucket, Key=f"many/{number:02}/part", Body=b"1")
    assert [name for name, _, _ in fs.names("many")] == [f"{number:02}" for number in range(23)]
    found = fs.fs.listFiles(fs.path("many"), True)
    count = 0
    while found.hasNext():
        count += found.next().getLen()
    assert count == 23
    assert fs.fs.delete(fs.path("many"), True)
    assert keys_of(s3, bucket) == []


def test_keys_that_a_path_would_lead_elsewhere_are_not_listed_and_go_with_their_folder(
    hadoop: Hadoop, s3: Any, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="kept", Body=b"1")
    for key in ("odd//double", "odd/fine"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    assert hadoop.names("odd") == [("fine", False, 1)]
    assert hadoop.fs.delete(hadoop.path("odd"), True)
    assert keys_of(s3, bucket) == ["kept"]


def test_what_is_read_is_what_lies_there_wherever_one_seeks(java: Any, s3: Any, bucket: str) -> None:
    data = os.urandom(5 * MB + 17)
    s3.put_object(Bucket=bucket, Key="data", Body=data)
    fs = Hadoop(java, bucket, fs__sagelab__read__maximum=str(MB))
    assert fs.read("data") == data
    stream = fs.fs.open(fs.path("data"))
    for place in (0, 4 * MB, 17, 3 * MB + 1, len(data) - 10, 2 * MB):
        stream.seek(place)
        assert bytes(stream.readNBytes(100)) == data[place : place + 100]
        assert stream.getPos() == min(place + 100, len(data))
    into = java.java.nio.ByteBuffer.allocate(2 * MB).array()
    assert refusal(lambda: stream.readFully(len(data) - 5, into, 0, 6))[0] == "EOFException"
    assert refusal(lambda: stream.seek(len(data) + 1))[0] == "EOFException"
    assert refusal(lambda: stream.seek(-1))[0] == "EOFException"
    stream.seek(len(data))
    assert stream.read() == -1
    stream.close()
    assert refusal(stream.read)[0] == "IOException"


def test_a_file_that_changes_under_its_reader_is_an_error(java: Any, s3: Any, bucket: str) -> None:
    fs = Hadoop(java, bucket)
    s3.put_object(Bucket=bucket, Key="data", Body=b"a" * (3 * MB))
    stream = fs.fs.open(fs.path("data"))
    assert stream.read() == ord("a")
    s3.put_object(Bucket=bucket, Key="data", Body=b"b" * (3 * MB))
    stream.seek(2 * MB)
    assert refusal(stream.read)[1].endswith("was changed while it was read")


@pytest.mark.parametrize("size", [0, 1, MB + 1, 5 * MB, 12 * MB + 3])
def test_a_file_of_any_size_is_there_once_it_is_closed(
    java: Any, s3: Any, bucket: str, tmp_path: Path, size: int
) -> None:
    fs = Hadoop(java, bucket, fs__s3a__multipart__size=str(5 * MB), fs__sagelab__buffer__dir=str(tmp_path))
    data = os.urandom(size)
    stream = fs.fs.create(fs.path("file"), True)
    for start in range(0, size, 3 * MB):
        stream.write(data[start : start + 3 * MB])
    assert keys_of(s3, bucket) == []
    stream.close()
    stream.close()
    assert s3.get_object(Bucket=bucket, Key="file")["Body"].read() == data
    assert s3.head_object(Bucket=bucket, Key="file")["ETag"].endswith('-3"') == (size > 10 * MB)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_given_up_leaves_nothing(java: Any, s3: Any, bucket: str, tmp_path: Path) -> None:
    fs = Hadoop(java, bucket, fs__s3a__multipart__size=str(5 * MB), fs__sagelab__buffer__dir=str(tmp_path))
    stream = fs.fs.create(fs.path("file"), True)
    stream.write(os.urandom(11 * MB))
    stream.abort()
    assert keys_of(s3, bucket) == []
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_overwritten_only_when_asked(hadoop: Hadoop, s3: Any, bucket: str) -> None:
    hadoop.write("file", b"first", overwrite=False)
    assert refusal(lambda: hadoop.write("file", b"second", overwrite=False))[0] == "FileAlreadyExistsException"
    late = hadoop.fs.create(hadoop.path("race"), False)
    s3.put_object(Bucket=bucket, Key="race", Body=b"theirs")
    assert refusal(late.close)[0] == "FileAlreadyExistsException"
    assert (hadoop.read("file"), hadoop.read("race")) == (b"first", b"theirs")
    hadoop.write("file", b"third")
    assert hadoop.read("file") == b"third"
    hadoop.fs.mkdirs(hadoop.path("folder"))
    assert refusal(lambda: hadoop.write("folder", b""))[0] == "FileAlreadyExistsException"


def test_a_folder_is_removed_whole_or_not(hadoop: Hadoop, s3: Any, bucket: str) -> None:
    for number in range(3):
        hadoop.write(f"top/folder/{number} &<", b"1")
    assert (
        refusal(lambda: hadoop.fs.delete(hadoop.path("top/folder"), False))[0]
        == "PathIsNotEmptyDirectoryException"
    )
    assert hadoop.fs.delete(hadoop.path("top/folder"), True)
    assert not hadoop.fs.delete(hadoop.path("top/folder"), True)
    assert keys_of(s3, bucket) == ["top/"]  # whoever removes the last file still has the folder
    assert hadoop.fs.delete(hadoop.path("top"), False)
    assert keys_of(s3, bucket) == []


def test_a_rename_copies_all_and_removes_the_old(java: Any, s3: Any, bucket: str) -> None:
    fs = Hadoop(java, bucket, fs__sagelab__copy__maximum=str(5 * MB), fs__s3a__paging__maximum="2")
    large = os.urandom(11 * MB)
    s3.put_object(Bucket=bucket, Key="old/large", Body=large)
    for name in ("a b", "c/d+e", "f"):
        fs.write(f"old/{name}", name.encode())
    assert fs.fs.rename(fs.path("old"), fs.path("new"))
    assert keys_of(s3, bucket) == ["new/a b", "new/c/d+e", "new/f", "new/large"]
    assert fs.read("new/large") == large
    assert fs.read("new/c/d+e") == b"c/d+e"
    assert fs.fs.mkdirs(fs.path("into"))
    assert fs.fs.rename(fs.path("new/f"), fs.path("into"))
    assert fs.read("into/f") == b"f"
    assert not fs.fs.rename(fs.path("new"), fs.path("new/below"))
    assert not fs.fs.rename(fs.path("into/f"), fs.path("new/large"))
    assert refusal(lambda: fs.fs.rename(fs.path("none"), fs.path("x")))[0] == "FileNotFoundException"


def test_what_s3_refuses_is_said_as_hadoop_has_it(java: Any, s3: Any, bucket: str) -> None:
    absent = Hadoop(java, f"{bucket}-absent")
    for call in (lambda: absent.names(""), lambda: absent.status("x"), lambda: absent.write("x", b"1")):
        name, message = refusal(call)
        assert name == "FileNotFoundException"
        assert f"Bucket {bucket}-absent does not exist" in message
    wrong = Hadoop(
        java,
        bucket,
        fs__s3a__access__key="AKIAWRONGWRONGWRONG1",
        fs__s3a__secret__key="x",
        fs__s3a__retry__limit="1",
    )
    name, message = refusal(lambda: wrong.status("x"))
    assert "InvalidAccessKeyId" in message
    s3.put_object(Bucket=bucket, Key="secret", Body=b"1")
    s3.put_bucket_policy(Bucket=bucket, Policy=denying(bucket))
    hadoop = Hadoop(java, bucket)
    for call in (lambda: hadoop.read("secret"), lambda: hadoop.status("secret")):
        name, message = refusal(call)
        assert name == "AccessDeniedException"
        assert "AccessDenied" in message


def denying(bucket: str) -> str:
    return (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",'
        f' "Resource": "arn:aws:s3:::{bucket}/*"}}]}}'
    )


def test_keys_are_read_again_before_they_end(keys: Keys, java: Any, bucket: str) -> None:
    keys.seconds = -1.0
    try:
        fs = Hadoop(java, bucket)
        before = keys.reads
        fs.write("a", b"1")
        assert keys.reads >= before + 2  # they are over at once: each request reads them
    finally:
        keys.seconds = 3600.0
    fs = Hadoop(java, bucket)
    before = keys.reads
    fs.write("b", b"1")
    assert fs.read("b") == b"1"
    assert keys.reads == before + 1


class Faulty(ThreadingHTTPServer):
    """Answers with what it is told, one after the other; the last goes on."""

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        super().__init__(("127.0.0.1", 0), Fault)
        self.answers, self.asked = list(answers), 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Fault(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def do_GET(self) -> None:
        answer = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        if answer is None:
            self.close_connection = True
            return
        status, code = answer
        body = f"<Error><Code>{code}</Code><Message>said</Message></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def faulty() -> Iterator[Callable[..., Faulty]]:
    made: list[Faulty] = []
    yield lambda *answers: made.append(Faulty(*answers)) or made[-1]  # type: ignore[func-returns-value]
    for server in made:
        server.shutdown()


def test_what_may_pass_is_asked_again(java: Any, faulty: Callable[..., Faulty]) -> None:
    passing = [
        (500, "InternalError"),
        (503, "SlowDown"),
        None,
        (429, "Throttling"),
        (400, "RequestTimeout"),
        (200, ""),
    ]
    server = faulty(*passing)
    fs = Hadoop(java, "bucket", fs__s3a__endpoint=f"http://127.0.0.1:{server.server_port}")
    fs.fs.bucket().put("key", java.sagelab.s3.Body.empty(), False)
    assert server.asked == len(passing)


def test_what_does_not_pass_is_an_error_after_so_many(java: Any, faulty: Callable[..., Faulty]) -> None:
    server = faulty((503, "SlowDown"))
    options = {"fs.s3a.endpoint": f"http://127.0.0.1:{server.server_port}", "fs.s3a.retry.limit": "3"}
    fs = Hadoop(java, "bucket", **options)
    said = refusal(lambda: fs.fs.bucket().put("key", java.sagelab.s3.Body.empty(), False))
    assert said == ("Refused", "s3a://bucket/key: SlowDown: said")
    assert server.asked == 4
    denied = faulty((403, "AccessDenied"))
    fs = Hadoop(java, "bucket", fs__s3a__endpoint=f"http://127.0.0.1:{denied.server_port}")
    assert refusal(lambda: fs.names(""))[0] == "AccessDeniedException"
    assert denied.asked == 1
