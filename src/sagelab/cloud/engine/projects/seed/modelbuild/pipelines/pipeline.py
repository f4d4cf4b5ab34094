"""The SageMaker pipeline: prepare, train, evaluate, and register what is better than the bar."""

from dataclasses import dataclass

ACCURACY = "multiclass_classification_metrics.accuracy.value"
INSTANCE = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}


@dataclass(frozen=True)
class Settings:
    """image: of scikit-learn. code: where the scripts are in S3; source: the same as an archive."""

    image: str
    role: str
    bucket: str
    code: str
    source: str
    group: str

    @property
    def output(self) -> str:
        return f"s3://{self.bucket}/pipeline"


def define(settings: Settings) -> dict:
    """The definition, as CreatePipeline takes it."""
    image, role = settings.image, settings.role
    model = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    evaluation = {"Std:Join": {"On": "", "Values": [f"{settings.output}/evaluation", "/evaluation.json"]}}
    inference = {
        "Containers": [{"Image": image, "ModelDataUrl": model, "Environment": _script(settings)}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    metrics = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": evaluation}}}
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": settings.group,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": inference,
            "ModelMetrics": metrics,
        },
    }
    good = {
        "Type": "GreaterThanOrEqualTo",
        "LeftValue": {
            "Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Report"}, "Path": ACCURACY}
        },
        "RightValue": {"Get": "Parameters.MinAccuracy"},
    }
    bad = {"Name": "TooBad", "Type": "Fail", "Arguments": {"ErrorMessage": "The model is below MinAccuracy."}}
    return {
        "Version": "2020-12-01",
        "Parameters": [
            {"Name": "MinAccuracy", "Type": "Float", "DefaultValue": 0.9},
            {"Name": "Strength", "Type": "String", "DefaultValue": "0.1"},
        ],
        "Steps": [
            _prepare(settings),
            {
                "Name": "Train",
                "Type": "Training",
                "Arguments": {
                    "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
                    "RoleArn": role,
                    "OutputDataConfig": {"S3OutputPath": f"{settings.output}/model"},
                    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
                    "ResourceConfig": INSTANCE,
                    "InputDataConfig": [_channel("train", f"{settings.output}/train")],
                    "HyperParameters": {
                        "sagemaker_program": '"train.py"',
                        "sagemaker_submit_directory": f'"{settings.source}"',
                        "strength": {"Get": "Parameters.Strength"},
                    },
                },
                "DependsOn": ["Prepare"],
            },
            _evaluate(settings, model),
            {
                "Name": "IsGood",
                "Type": "Condition",
                "Arguments": {"Conditions": [good], "IfSteps": [register], "ElseSteps": [bad]},
            },
        ],
    }


def _script(settings: Settings) -> dict:
    return {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_SUBMIT_DIRECTORY": settings.source}


def _prepare(settings: Settings) -> dict:
    outputs = [_output(name, f"{settings.output}/{name}") for name in ("train", "test")]
    return _processing("Prepare", "prepare.py", settings, [], outputs)


def _evaluate(settings: Settings, model: dict) -> dict:
    inputs = [_input("model", model), _input("test", f"{settings.output}/test")]
    outputs = [_output("evaluation", f"{settings.output}/evaluation")]
    step = _processing("Evaluate", "evaluate.py", settings, inputs, outputs)
    report = {"PropertyFileName": "Report", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    return step | {"PropertyFiles": [report]}


def _processing(name: str, script: str, settings: Settings, inputs: list, outputs: list) -> dict:
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": INSTANCE},
            "AppSpecification": {
                "ImageUri": settings.image,
                "ContainerEntrypoint": ["python3", f"/opt/ml/processing/code/{script}"],
            },
            "RoleArn": settings.role,
            "ProcessingInputs": [*inputs, _input("code", settings.code)],
            "ProcessingOutputConfig": {"Outputs": outputs},
        },
    }


def _input(name: str, uri) -> dict:
    place = {
        "S3Uri": uri,
        "LocalPath": f"/opt/ml/processing/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": place}


def _output(name: str, uri: str) -> dict:
    place = {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{name}", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": place}


def _channel(name: str, uri: str) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
