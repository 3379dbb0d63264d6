"""Write the tables of the tutorial, of what scikit-learn ships: measurements of tumours, and the diagnosis.

``tumours.csv`` and ``new.csv`` are two thirds and one third of the rows. ``inches.csv`` is the latter with a column in
inches instead of millimetres. ``two.json`` asks for the diagnosis of two tumours.
"""

import json
from pathlib import Path

from sklearn.datasets import load_breast_cancer

found = load_breast_cancer(as_frame=True)
means = found.data.filter(like="mean ").rename(columns=lambda name: name.removeprefix("mean ").replace(" ", "_"))
table = means.assign(diagnosis=found.target_names[found.target]).sample(frac=1, random_state=1)
old, new = table[:380], table[380:]
old.to_csv("tumours.csv", index=False)
new.to_csv("new.csv", index=False)
new.assign(radius=new["radius"] / 25.4).to_csv("inches.csv", index=False)

two = new.sort_values("radius").iloc[[-1, 0]].drop(columns="diagnosis")
Path("two.json").write_text(json.dumps(two.to_dict(orient="list")))
