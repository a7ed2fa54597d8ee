"""`pleura study`: rows of encoders and losses, same split, same budget, same seeds -> table, page.

`runner.py` reads top to bottom: prepare -> train -> export -> score -> report.
"""
