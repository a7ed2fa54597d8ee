"""What perturbations do to the mask, in numbers: points, tables, plot, page; no torch.

`benchmarks/robustness.py` computes the points.
"""
