"""Which calls are data events, of which type, and on what: they are recorded where a trail asks for them alone.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
"""

from __future__ import annotations

S3, NO_TYPE = "AWS::S3::Object", "none"
# By the name that a service signs with, type by type: its operations. What has NO_TYPE is never recorded.
_TABLE = {
    "sagemaker": {
        "AWS::SageMaker::Endpoint": "InvokeEndpoint InvokeEndpointAsync InvokeEndpointWithResponseStream",
        NO_TYPE: "PutRecord GetRecord DeleteRecord BatchGetRecord BatchPutMetrics BatchGetMetrics",  # not here
    },
    "lambda": {"AWS::Lambda::Function": "Invoke InvokeAsync InvokeWithResponseStream"},
    "dynamodb": {
        "AWS::DynamoDB::Table": """
            BatchExecuteStatement BatchGetItem BatchWriteItem DeleteItem ExecuteStatement ExecuteTransaction
            GetItem PutItem Query Scan TransactGetItems TransactWriteItems UpdateItem
        """,
        "AWS::DynamoDB::Stream": "GetRecords GetShardIterator",
    },
    "kinesis": {"AWS::Kinesis::Stream": "PutRecord PutRecords GetRecords GetShardIterator SubscribeToShard"},
    "sns": {"AWS::SNS::Topic": "Publish PublishBatch"},
    "sqs": {
        "AWS::SQS::Queue": """
            SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility
            ChangeMessageVisibilityBatch
        """
    },
    "logs": {NO_TYPE: "PutLogEvents GetLogEvents FilterLogEvents GetLogRecord GetQueryResults"},
    "monitoring": {
        "AWS::CloudWatch::Metric": """
            PutMetricData GetMetricData GetMetricStatistics GetMetricWidgetImage ListMetrics
        """
    },
    "events": {NO_TYPE: "PutEvents"},
    "firehose": {NO_TYPE: "PutRecord PutRecordBatch"},
    "states": {NO_TYPE: "GetActivityTask SendTaskHeartbeat SendTaskSuccess SendTaskFailure"},
    "iotdata": {NO_TYPE: "Publish GetThingShadow UpdateThingShadow DeleteThingShadow"},
    "sdb": {NO_TYPE: "PutAttributes GetAttributes Select BatchPutAttributes DeleteAttributes"},
}
_KINDS = {
    (service, name): kind
    for service, kinds in _TABLE.items()
    for kind, names in kinds.items()
    for name in names.split()
}
# Of S3, whatever is about an object, and these on a bucket.
_ON_BUCKETS = frozenset(
    """
    HeadBucket ListObjects ListObjectsV2 ListObjectVersions ListMultipartUploads DeleteObjects PostObject
    """.split()
)


def kind_of(service: str, operation: str, on_object: bool = False) -> str:
    """The type of a data event's resource, "" of a management event.

    on_object: a request to S3 that names a key.
    """
    if service == "s3":
        return S3 if on_object or operation in _ON_BUCKETS else ""
    return _KINDS.get((service, operation), "")
