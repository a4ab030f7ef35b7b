"""A foreign Celery client, with no import of ours: `celery_client.py BROKER_URL MODE < images.json` prints JSON."""

import json
import sys

from celery import Celery, Signature, chain, group, signature

app = Celery(broker=sys.argv[1], backend=sys.argv[1])
app.conf.update(task_serializer="json", result_serializer="json", accept_content=["json"])
images = json.load(sys.stdin)


def classify(*arguments: object) -> Signature:
    return signature("mnistified.classify", args=arguments, queue="mnistified.classify", app=app)


if sys.argv[2] == "group":
    parts = [images[start : start + 10] for start in range(0, len(images), 10)]
    results = group([classify(part) for part in parts], app=app).apply_async().get(timeout=120)
    print(json.dumps([each for part in results for each in part]))
elif sys.argv[2] == "chain":
    first = signature("mnistified.classify", args=[images], queue="mnistified.classify", app=app, immutable=True)
    bulk = signature("mnistified.classify_bulk", args=[images], queue="mnistified.classify", app=app, immutable=True)
    print(json.dumps(chain(first, bulk, app=app).apply_async().get(timeout=120)))
elif sys.argv[2] == "fit":
    print(json.dumps(classify(images, None, True).apply_async().get(timeout=120)))
elif sys.argv[2] == "ids":
    options = {"queue": "mnistified.classify", "expires": 60}
    ids = ["zürich-7", "two\nlines", "a" * 300, "tab\tand space "]
    sent = [app.send_task("mnistified.classify", [images], task_id=task_id, **options) for task_id in ids]
    print(json.dumps([task.get(timeout=120) for task in sent]))
elif sys.argv[2] == "errors":
    errors = []
    for sent in [classify(each).apply_async() for each in images]:
        try:
            errors.append(["no error", sent.get(timeout=120)])
        except Exception as error:
            errors.append([type(error).__name__, str(error)])
    print(json.dumps(errors))
