"""Inference: a model folder and an engine that turns batches into probabilities."""
