"""Commands of the AWS CLI as AWS's documentation shows them, each with what its answer must hold.

{name} is a thing of the shelf (shelf.py); `needs` are those that one command alone needs. expected: a regular
expression that stands somewhere in what is printed. https://docs.aws.amazon.com/cli/latest/reference/
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    text: str
    expected: str
    needs: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The command as the page of conformance has it: in a table's cell, the placeholders as they are."""
        return self.text.replace("{{", "{").replace("}}", "}").replace("|", "/")


CHANNEL = "ContentType=application/jsonlines,SplitType=Line,DataSource={{S3DataSource={{S3DataType=S3Prefix,S3Uri=s3://{bucket}/lines/}}}}"

COMMANDS = (
    # Who, and with which role
    Command("sts get-caller-identity --query Account --output text", "^{account}$"),
    Command("iam get-role --role-name SageMakerLabRole --query Role.Arn --output text", "^{role}$"),
    # S3
    Command("s3 mb s3://{new}", "make_bucket: {new}"),
    Command("s3 ls", "{bucket}"),
    Command("s3 ls s3://{bucket}/in/", r" 4 a\.csv"),
    Command("s3 ls s3://{bucket} --recursive --summarize --human-readable", "Total Objects: "),
    Command("s3 cp {data}/a.csv s3://{bucket}/{new}/a.csv", "upload: .*a.csv to s3://{bucket}/{new}/a.csv"),
    Command("s3 cp s3://{bucket}/in/b.csv -", "^b,1$"),
    Command("s3 cp {data} s3://{bucket}/{new} --recursive --exclude * --include b*", "upload: .*b.csv"),
    Command("s3 cp s3://{bucket}/in/a.csv s3://{bucket}/{new}/a.csv", "copy: "),
    Command("s3 sync {data} s3://{bucket}/{new}", "upload: .*a.csv"),
    Command("s3 sync s3://{bucket}/in {folder}/{new}", "download: s3://{bucket}/in/a.csv"),
    Command("s3 mv s3://{bucket}/{new}/one.txt s3://{bucket}/{new}/moved.txt", "move: ", ("object",)),
    Command("s3 rm s3://{bucket}/{new}/one.txt", "delete: ", ("object",)),
    Command("s3 rm s3://{bucket}/{new} --recursive", r"delete: .*two\.txt", ("object",)),
    Command("s3 rb s3://{new} --force", "remove_bucket: {new}", ("bucket",)),
    Command("s3 presign s3://{bucket}/in/a.csv --expires-in 60", "http://127.0.0.1:.*/in/a.csv"),
    Command("s3api head-object --bucket {bucket} --key in/a.csv --query ContentLength", "^4$"),
    Command("s3api list-objects-v2 --bucket {bucket} --prefix in/ --query Contents[].Key", "in/b.csv"),
    Command("s3api get-bucket-location --bucket {bucket}", "LocationConstraint"),
    # Streams
    Command("kinesis create-stream --stream-name {new} --shard-count 2", "^$"),
    Command("kinesis list-streams --max-items 5", "StreamNames"),
    Command("kinesis describe-limits --query ShardLimit", "^500$"),
    Command("firehose list-delivery-streams --limit 5", "DeliveryStreamNames"),
    Command("emr-serverless list-applications --max-items 5", "applications"),
    # Training jobs
    Command(
        "sagemaker create-training-job --cli-input-json file://{request}", "TrainingJobArn", ("training request",)
    ),
    Command(
        "sagemaker create-training-job --training-job-name {new} --role-arn {role}"
        " --algorithm-specification TrainingImage={image},TrainingInputMode=File"
        " --hyper-parameters sagemaker_program=train.py,sagemaker_submit_directory={code}"
        " --resource-config InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=10"
        " --output-data-config S3OutputPath=s3://{bucket}/cli --stopping-condition MaxRuntimeInSeconds=600"
        " --tags Key=team,Value=cli",
        "training-job/{new}",
    ),
    Command("sagemaker describe-training-job --training-job-name {job} --query TrainingJobStatus", '"Completed"'),
    Command(
        "sagemaker describe-training-job --training-job-name {job}"
        " --query FinalMetricDataList[?MetricName=='val_acc'].Value --output text",
        r"^0\.5",
    ),
    Command(
        "sagemaker describe-training-job --training-job-name {failed} --query FailureReason --output text",
        "exit code: 3",
    ),
    Command("sagemaker wait training-job-completed-or-stopped --training-job-name {job}", "^$"),
    Command(
        "sagemaker list-training-jobs --name-contains {job} --query TrainingJobSummaries[].TrainingJobName",
        "{job}",
    ),
    Command(
        "sagemaker list-training-jobs --status-equals Failed --max-items 5 --output table", "ListTrainingJobs"
    ),
    Command(
        "sagemaker list-training-jobs --sort-by CreationTime --sort-order Ascending --max-results 2 --output text",
        "TRAININGJOBSUMMARIES",
    ),
    Command("sagemaker stop-training-job --training-job-name {running}", "^$", ("running",)),
    Command("sagemaker delete-training-job --training-job-name {ended}", "^$", ("ended",)),
    Command(
        "sagemaker search --resource TrainingJob --search-expression"
        ' {{"Filters":[{{"Name":"TrainingJobName","Operator":"Equals","Value":"{job}"}}]}}'
        " --query Results[].TrainingJob.TrainingJobStatus",
        "Completed",
    ),
    # Tags
    Command("sagemaker add-tags --resource-arn {job_arn} --tags Key=stage,Value=test", '"stage"'),
    Command(
        "sagemaker list-tags --resource-arn {job_arn} --query Tags[?Key=='team'].Value --output text", "^cli$"
    ),
    Command("sagemaker delete-tags --resource-arn {job_arn} --tag-keys stage", "^$"),
    # Models
    Command(
        "sagemaker create-model --model-name {new} --execution-role-arn {role}"
        " --primary-container Image={serving},ModelDataUrl={model_data}",
        "model/{new}",
    ),
    Command("sagemaker describe-model --model-name {model} --query PrimaryContainer.ModelDataUrl", "{model_data}"),
    Command("sagemaker list-models --name-contains {model} --query Models[].ModelName --output text", "^{model}$"),
    Command("sagemaker delete-model --model-name {spare}", "^$", ("spare model",)),
    # Endpoint configurations
    Command(
        "sagemaker create-endpoint-config --endpoint-config-name {new} --production-variants"
        " VariantName=v1,ModelName={model},InstanceType=ml.c5.large,InitialInstanceCount=1,InitialVariantWeight=1",
        "endpoint-config/{new}",
    ),
    Command("sagemaker describe-endpoint-config --endpoint-config-name {config}", '"InstanceType": "ml.c5.large"'),
    Command("sagemaker list-endpoint-configs --name-contains {config}", "{config}"),
    Command("sagemaker delete-endpoint-config --endpoint-config-name {spare}", "^$", ("spare config",)),
    # Endpoints
    Command("sagemaker create-endpoint --endpoint-name {new} --endpoint-config-name {config}", "endpoint/{new}"),
    Command("sagemaker describe-endpoint --endpoint-name {endpoint} --query EndpointStatus", '"InService"'),
    Command("sagemaker wait endpoint-in-service --endpoint-name {endpoint}", "^$"),
    Command("sagemaker list-endpoints --status-equals InService --query Endpoints[].EndpointName", "{endpoint}"),
    Command(
        "sagemaker-runtime invoke-endpoint --endpoint-name {endpoint} --content-type application/json"
        " --body fileb://{folder}/payload.json {folder}/{new}.json",
        '"InvokedProductionVariant": "v1"',
    ),
    Command(
        "sagemaker update-endpoint-weights-and-capacities --endpoint-name {spare}"
        " --desired-weights-and-capacities VariantName=v1,DesiredWeight=2,DesiredInstanceCount=1",
        "endpoint/{spare}",
        ("spare endpoint",),
    ),
    Command(
        "sagemaker update-endpoint --endpoint-name {spare} --endpoint-config-name {config}",
        "endpoint/{spare}",
        ("spare endpoint",),
    ),
    Command("sagemaker delete-endpoint --endpoint-name {spare}", "^$", ("doomed endpoint",)),
    Command("sagemaker wait endpoint-deleted --endpoint-name {spare}", "^$", ("gone endpoint",)),
    # Processing jobs
    Command(
        "sagemaker create-processing-job --cli-input-json file://{request}",
        "ProcessingJobArn",
        ("processing request",),
    ),
    Command("sagemaker describe-processing-job --processing-job-name {processing}", '"Completed"'),
    Command("sagemaker wait processing-job-completed-or-stopped --processing-job-name {processing}", "^$"),
    Command(
        "sagemaker list-processing-jobs --name-contains {processing} --status-equals Completed", "{processing}"
    ),
    Command("sagemaker stop-processing-job --processing-job-name {running}", "^$", ("running processing",)),
    Command("sagemaker delete-processing-job --processing-job-name {ended}", "^$", ("ended processing",)),
    # Batch transform
    Command(
        "sagemaker create-transform-job --transform-job-name {new} --model-name {model}"
        f" --transform-input {CHANNEL} --transform-output S3OutputPath=s3://{{bucket}}/{{new}}"
        " --transform-resources InstanceType=ml.m5.large,InstanceCount=1",
        "transform-job/{new}",
    ),
    Command(
        "sagemaker wait transform-job-completed-or-stopped --transform-job-name {transform}", "^$", ("transform",)
    ),
    Command("sagemaker describe-transform-job --transform-job-name {transform}", '"{model}"', ("transform",)),
    Command("sagemaker list-transform-jobs --name-contains {transform}", "{transform}", ("transform",)),
    # Hyperparameter tuning
    Command(
        "sagemaker create-hyper-parameter-tuning-job --cli-input-json file://{request}",
        "hyper-parameter-tuning-job/{new}",
        ("tuning request",),
    ),
    Command(
        "sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name {tuning}"
        " --query HyperParameterTuningJobConfig.Strategy",
        '"Random"',
        ("tuning",),
    ),
    Command("sagemaker list-hyper-parameter-tuning-jobs --name-contains {tuning}", "{tuning}", ("tuning",)),
    Command(
        "sagemaker list-training-jobs-for-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name {tuning}"
        " --query TrainingJobSummaries[].TunedHyperParameters",
        r"\[",
        ("tuning",),
    ),
    # Compilation
    Command(
        "sagemaker create-compilation-job --compilation-job-name {new} --role-arn {role}"
        " --input-config file://{folder}/compile.json --stopping-condition MaxRuntimeInSeconds=600"
        " --output-config S3OutputLocation=s3://{bucket}/{new},TargetDevice=ml_c5",
        "compilation-job/{new}",
    ),
    Command(
        "sagemaker describe-compilation-job --compilation-job-name {compilation}"
        " --query [CompilationJobStatus,OutputConfig.TargetDevice] --output text",
        "COMPLETED.ml_c5",
        ("compilation",),
    ),
    Command("sagemaker list-compilation-jobs --name-contains {compilation}", "{compilation}", ("compilation",)),
    Command(
        "sagemaker delete-compilation-job --compilation-job-name {compilation}", "^$", ("doomed compilation",)
    ),
    # Notebook instances
    Command(
        "sagemaker create-notebook-instance-lifecycle-config --notebook-instance-lifecycle-config-name {new}"
        " --on-start Content=ZWNobyBoZWxsbwo=",
        "notebook-instance-lifecycle-config/{new}",
    ),
    Command(
        "sagemaker describe-notebook-instance-lifecycle-config"
        " --notebook-instance-lifecycle-config-name {lifecycle} --query OnStart[0].Content",
        "ZWNobyBoZWxsbwo=",
        ("lifecycle",),
    ),
    Command("sagemaker list-notebook-instance-lifecycle-configs", "{lifecycle}", ("lifecycle",)),
    Command(
        "sagemaker delete-notebook-instance-lifecycle-config"
        " --notebook-instance-lifecycle-config-name {lifecycle}",
        "^$",
        ("lifecycle",),
    ),
    Command(
        "sagemaker create-notebook-instance --notebook-instance-name {new} --instance-type ml.t3.medium"
        " --role-arn {role}",
        "notebook-instance/{new}",
        ("room for a notebook",),
    ),
    Command(
        "sagemaker wait notebook-instance-in-service --notebook-instance-name {notebook}", "^$", ("notebook",)
    ),
    Command(
        "sagemaker describe-notebook-instance --notebook-instance-name {notebook} --query NotebookInstanceStatus",
        '"InService"',
        ("notebook",),
    ),
    Command("sagemaker list-notebook-instances --status-equals InService", "{notebook}", ("notebook",)),
    Command(
        "sagemaker create-presigned-notebook-instance-url --notebook-instance-name {notebook}",
        "http://127.0.0.1:",
        ("notebook",),
    ),
    Command("sagemaker stop-notebook-instance --notebook-instance-name {notebook}", "^$", ("own notebook",)),
    Command(
        "sagemaker wait notebook-instance-stopped --notebook-instance-name {notebook}", "^$", ("stopped notebook",)
    ),
    Command("sagemaker delete-notebook-instance --notebook-instance-name {notebook}", "^$", ("doomed notebook",)),
    # Logs and metrics
    Command("logs describe-log-groups --log-group-name-prefix /aws/sagemaker", "/aws/sagemaker/TrainingJobs"),
    Command(
        "logs describe-log-streams --log-group-name /aws/sagemaker/TrainingJobs --log-stream-name-prefix {job}/",
        "{job}/algo-1-",
    ),
    Command(
        "logs filter-log-events --log-group-name /aws/sagemaker/TrainingJobs --filter-pattern val_acc"
        " --query events[].message",
        r"val_acc: 0\.5",
    ),
    Command(
        "logs get-log-events --log-group-name /aws/sagemaker/TrainingJobs --log-stream-name {stream}",
        r"val_acc: 0\.5",
    ),
    Command(
        "cloudwatch list-metrics --namespace /aws/sagemaker/TrainingJobs"
        " --dimensions Name=TrainingJobName,Value={job}",
        "val_acc",
    ),
    Command("cloudwatch list-metrics --namespace AWS/SageMaker --query Metrics[].MetricName", r"\["),
    # EMR
    Command("emr list-clusters --query Clusters[].Status.State", r"\["),
)
