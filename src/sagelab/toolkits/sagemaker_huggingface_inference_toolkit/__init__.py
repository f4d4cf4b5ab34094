"""What scripts import of Hugging Face's: https://github.com/aws/sagemaker-huggingface-inference-toolkit."""
