"""pleura, lungmask and the floor on the same scans and threads, in turn, as processes of their own.

runner.py reads top to bottom: prepare -> rounds of cold processes -> warm processes -> Dice.

plan.py                     what to run and how often; scans as SimpleITK and lungmask read them
tools.py                    floor, pleura, lungmask: what to call, and what its output says
scripts/                    what runs in the children, by path; most without pleura
processes.py                a child, its seconds and its peak memory
lungmask_environment.py     the interpreter that has lungmask, or how to make it
aggregate.py, record.py     medians, ratios, the JSON object
table.py, report.py         Markdown, files
machine.py                  where it was measured
"""
