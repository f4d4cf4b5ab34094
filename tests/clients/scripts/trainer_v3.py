"""SDK v3's ModelTrainer with its options, and its HyperparameterTuner."""

# %% A trainer with every option that a job of one script has
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.training.configs import (
    CheckpointConfig,
    Compute,
    InputData,
    MetricDefinition,
    Networking,
    OutputDataConfig,
    RetryStrategy,
    SourceCode,
    StoppingCondition,
    Tag,
)
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
data = session.upload_data("rows.csv", bucket=bucket, key_prefix="trainer-v3/rows")
image = image_uris.retrieve(
    "tensorflow", session.boto_region_name, version="2.19", image_scope="training", instance_type="ml.m5.large"
)
trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    base_job_name="trainer-v3",
    training_image=image,
    source_code=SourceCode(source_dir="code", entry_script="train_steps.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10),
    networking=Networking(enable_network_isolation=False),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/trainer-v3/out", compression_type="GZIP"),
    input_data_config=[InputData(channel_name="rows", data_source=data)],
    training_input_mode="File",
    environment={"MODE": "careful"},
    hyperparameters={"steps": 4, "rate": 0.1},
    tags=[Tag(key="team", value="v3")],
).with_metric_definitions([MetricDefinition(name="val_acc", regex=r"val_acc: ([0-9\.]+)")])
trainer.train(wait=True, logs=True)
job = trainer._latest_training_job.refresh()
print("job", job.training_job_status, job.model_artifacts.s3_model_artifacts)
print("metric", job.final_metric_data_list[0].metric_name, job.final_metric_data_list[0].value)

# %% A command instead of a script, a local folder as a channel
trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=image,
    source_code=SourceCode(source_dir="code", command="python3 greet.py from a command"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    input_data_config=[InputData(channel_name="local", data_source="code")],
)
trainer.train(wait=True, logs=True)

# %% On spot, with checkpoints, another try after a fault, packages and arguments of its own
careful = (
    ModelTrainer(
        sagemaker_session=session,
        role=role,
        base_job_name="spot-v3",
        training_image=image,
        source_code=SourceCode(
            source_dir="code",
            requirements="requirements.txt",
            command="python3 resume.py",
            args=["--word", "good evening"],
            ignore_patterns=["greet.py"],
        ),
        compute=Compute(instance_type="ml.m5.large", instance_count=2, enable_managed_spot_training=True),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600, max_wait_time_in_seconds=1200),
        hyperparameters={"depth": 3},
        tags=[Tag(key="sagelab:spot-rate", value="0")],
    )
    .with_checkpoint_config(CheckpointConfig(s3_uri=f"s3://{bucket}/trainer-v3/checkpoints"))
    .with_retry_strategy(RetryStrategy(maximum_retry_attempts=2))
)
for _ in range(2):
    careful.train(wait=True, logs=True)
    job = careful._latest_training_job.refresh()
    billable, trained = job.billable_time_in_seconds, job.training_time_in_seconds
    print("spot", job.training_job_status, job.retry_strategy.maximum_retry_attempts, billable < trained)

# %% A script that fails
broken = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=image,
    source_code=SourceCode(source_dir="code", command="python3 no_such_script.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
)
try:
    broken.train(wait=True, logs=False)
except Exception as error:
    print("failed as it should:", type(error).__name__, str(error)[:500])

# %% A search
searched = ModelTrainer(
    sagemaker_session=session,
    role=role,
    base_job_name="search-v3",
    training_image=image,
    source_code=SourceCode(source_dir="code", entry_script="train_steps.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/trainer-v3/search"),
)
tuner = HyperparameterTuner(
    model_trainer=searched,
    objective_metric_name="val_acc",
    hyperparameter_ranges={
        "rate": ContinuousParameter(0.001, 0.2, scaling_type="Logarithmic"),
        "steps": IntegerParameter(2, 4),
    },
    metric_definitions=[{"Name": "val_acc", "Regex": r"val_acc: ([0-9\.]+)"}],
    objective_type="Maximize",
    strategy="Bayesian",
    max_jobs=4,
    max_parallel_jobs=2,
    random_seed=1,
)
tuner.tune(wait=True)
found = tuner.analytics().dataframe()
print("trials", len(found), sorted(found.columns)[:3])
print("best", tuner.best_training_job() in set(found["TrainingJobName"]))
