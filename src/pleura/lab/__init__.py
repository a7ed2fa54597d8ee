"""The laboratory: data, training, evaluation, export. Only here may torch be imported."""
