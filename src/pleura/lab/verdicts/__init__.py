"""Does the verdict find bad masks? Rows, tables and parts of scans for it; no torch.

`benchmarks/verdict.py` computes the rows.
"""
