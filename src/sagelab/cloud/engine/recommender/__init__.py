"""The Inference Recommender: load tests of a model on several instance types, and what they say."""
