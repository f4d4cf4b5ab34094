"""scikit-learn and XGBoost in SDK v2's words, as AWS's own examples have them; models/ lies beside it."""

# %% scikit-learn: a script that trains, and serves
import io
import tarfile
import time

import numpy as np
import sagemaker
from sagemaker import image_uris
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.model import SKLearnModel
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner
from sagemaker.xgboost.estimator import XGBoost

sess = sagemaker.Session()
role, bucket = sagemaker.get_execution_role(), sess.default_bucket()
rng = np.random.default_rng(0)
features = rng.normal(size=(300, 4))
labels = (features[:, 0] + 2 * features[:, 1] > 0).astype(int)


def upload(name: str, rows: np.ndarray) -> str:
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%g")
    return str(sess.upload_string_as_file_body(text.getvalue(), bucket, f"frameworks-v2/{name}/rows.csv"))


def pack(name: str, text: str) -> bytes:
    """A model.tar.gz of one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def ready(predictor: Predictor) -> Predictor:
    """Once its endpoint is in service; the SDK itself looks every half minute."""
    while (
        sess.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)["EndpointStatus"]
        == "Creating"
    ):
        time.sleep(0.2)
    return predictor


table = np.column_stack([labels, features])
train, validation = upload("train", table[:200]), upload("validation", table[200:])

sklearn = SKLearn(
    entry_point="forest.py",
    source_dir="models",
    framework_version="1.2-1",
    role=role,
    instance_type="ml.m5.large",
    hyperparameters={"trees": 20},
)
sklearn.fit({"train": train})
predictor = ready(sklearn.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False))
found = predictor.predict(features[200:])
print("scikit-learn", found.dtype, (found == labels[200:]).mean() > 0.8)
predictor.delete_endpoint()

# %% XGBoost as a built-in algorithm, with a search over its own metric
image = image_uris.retrieve("xgboost", sess.boto_region_name, "1.7-1")
algorithm = Estimator(
    image,
    role,
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{bucket}/frameworks-v2/models",
    hyperparameters={"objective": "binary:logistic", "num_round": 20, "eval_metric": "auc"},
)
channels = {
    "train": TrainingInput(train, content_type="text/csv"),
    "validation": TrainingInput(validation, content_type="text/csv"),
}
tuner = HyperparameterTuner(
    algorithm, "validation:auc", {"eta": ContinuousParameter(0.1, 0.5)}, max_jobs=2, max_parallel_jobs=2
)
tuner.fit(channels)
best = tuner.best_estimator()
kinds = {"serializer": CSVSerializer(), "deserializer": JSONDeserializer()}
predictor = ready(best.deploy(1, "ml.m5.large", wait=False, **kinds))
scores = [one["score"] for one in predictor.predict(features[200:])["predictions"]]
print("algorithm", ((np.array(scores) > 0.5) == labels[200:]).mean() > 0.85)
predictor.delete_endpoint()

# %% ... and over files
transformer = best.transformer(1, "ml.m5.large", assemble_with="Line", strategy="MultiRecord")
transformer.transform(upload("batch", features[200:]), content_type="text/csv", split_type="Line")
lines = sess.read_s3_file(bucket, f"{transformer.output_path.split('/', 3)[3]}/rows.csv.out").split()
print("transform", len(lines), np.allclose([float(line) for line in lines], scores))

# %% XGBoost with a script
framework = XGBoost(
    entry_point="boost.py",
    source_dir="models",
    framework_version="1.7-1",
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"rounds": 5},
)
framework.fit({"train": train})
predictor = ready(framework.deploy(1, "ml.m5.large", serializer=CSVSerializer(), wait=False))
print("script", len(predictor.predict(features[200:203])[0]))
predictor.delete_endpoint()

# %% ... and without instances
plan = ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=2)
predictor = ready(
    framework.deploy(serverless_inference_config=plan, serializer=CSVSerializer(), wait=False),
)
print("serverless", len(predictor.predict(features[200:203])[0]))
predictor.delete_endpoint()

# %% A row of two: scikit-learn takes the raw rows, XGBoost answers
reverses = pack("order.txt", "3 2 1 0")
rows = SKLearnModel(
    sess.upload_string_as_file_body(reverses, bucket, "frameworks-v2/reverses/model.tar.gz"),
    role,
    "rows.py",
    source_dir="models",
    framework_version="1.2-1",
    sagemaker_session=sess,
)
scorer = best.create_model()
row = PipelineModel([rows, scorer], role, predictor_cls=Predictor, sagemaker_session=sess)
predictor = ready(row.deploy(1, "ml.m5.large", wait=False))
predictor.serializer, predictor.deserializer = kinds["serializer"], kinds["deserializer"]
found = [one["score"] for one in predictor.predict(features[200:, ::-1])["predictions"]]
print("row", np.allclose(found, scores))
predictor.delete_endpoint()

# %% Two models of one container
many = MultiDataModel(
    "frameworks-v2-many", f"s3://{bucket}/frameworks-v2/many/", model=scorer, sagemaker_session=sess
)
many.add_model(best.model_data, "first.tar.gz")
many.add_model(framework.model_data, "second.tar.gz")
print("listed", sorted(many.list_models()))
predictor = ready(many.deploy(1, "ml.m5.large", wait=False, **kinds))
answer = predictor.predict(features[200:], target_model="first.tar.gz")["predictions"]
print("of many", np.allclose([one["score"] for one in answer], scores))
predictor.delete_endpoint()
