"""Gates, training and a model on a DataFrame: the example of docs/python.md."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tables are small: threads would wait for each other

from sklearn.datasets import load_wine

from regraft_pipeline import api

wine = load_wine(as_frame=True).frame
order = wine.sample(frac=1, random_state=1)
old, new = order[:89], order[89:]

verdict = api.judge(new, "mine/wine/task.yaml", reference=old)
print("good:", verdict.summary())

broken = new.assign(alcohol=new["alcohol"] * 100)
print("another unit:", [reason.code for reason in api.judge(broken, "mine/wine/task.yaml", reference=old).errors])

model = api.train(new, "mine/wine/task.yaml", "wine-model", reference=old)
print("recall on rows not seen:", "good" if model.metrics["recall"] > 0.8 else "bad")

again = api.load("wine-model")
print("the same answers:", again.predict(old).equals(model.predict(old)))
