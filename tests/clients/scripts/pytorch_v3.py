"""PyTorch in SDK v3's words: two hosts train one model by torchrun; models/ lies beside it."""

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train import ModelTrainer
from sagemaker.train.distributed import Torchrun

session = Session()
image = image_uris.retrieve(
    "pytorch",
    session.boto_region_name,
    version="2.6.0",
    py_version="py312",
    image_scope="training",
    instance_type="ml.m5.large",
)
trainer = ModelTrainer(
    sagemaker_session=session,
    role=get_execution_role(session),
    base_job_name="pytorch-v3",
    training_image=image,
    source_code=SourceCode(source_dir="models", entry_script="net.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=2),
    hyperparameters={"steps": 800},
    distributed=Torchrun(process_count_per_node=2),
)
trainer.train(wait=True, logs=True)
job = trainer._latest_training_job.refresh()
print("job", job.training_job_status)
