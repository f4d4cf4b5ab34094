"""What moto holds, kept: acknowledged means kept, for every service that is not SageMaker.

moto keeps its state in Python objects that end with the process. Here each change is in the home before its answer
leaves: the bytes of S3 objects as files, everything else in one SQLite file. Both are written, not flushed to the
disk: that survives the death of the process at any moment, and not a power cut. The bytes of objects, sessions
and what a service holds as one value are encrypted; names and metadata of S3, lines of logs and samples are not.

    persister.py        Persister: what a request changed is written down; what was is there at the start
    database.py         the SQLite file
    bodies.py           the bytes of S3 objects, a file each
    seals.py            under which key an object is
    change_tracking.py  which buckets, objects and uploads a request changed
    objects.py, rows.py moto's S3 with its bytes on disk, row by row
    streams.py          moto's log groups, streams and lines
    samples.py          the values of CloudWatch's metrics
    sessions.py         STS's sessions of roles, with their access keys
    pickles.py          any other backend of moto, as one value
"""
