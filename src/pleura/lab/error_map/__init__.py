"""Where does a mask lose Dice and surface distance? Places, contents, tables, pictures; no torch.

`benchmarks/error_map.py` segments the scans, `docs/error-map.md` shows what came of it.
"""
