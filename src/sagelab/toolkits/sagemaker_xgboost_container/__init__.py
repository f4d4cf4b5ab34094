"""What scripts import of AWS's XGBoost image: https://github.com/aws/sagemaker-xgboost-container."""
