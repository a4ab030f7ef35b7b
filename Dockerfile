# One image per program, each with only what that program needs:
#   docker build --target api .    worker    worker-gpu    tasks    trainer    flower    proxy
# All images run on a read-only file system with a writable /tmp, as a user who owns no files in them.
# The trainer and the proxy own the volumes that they write to.

FROM python:3.11-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    HOME=/tmp \
    MODELS_DIR=/app/models
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin mnistified
# Dependencies have separate layers, so that a change of our code does not download TensorFlow again.
WORKDIR /requirements
COPY requirements ./
RUN pip install -c constraints.txt -r api.txt -r otel.txt
WORKDIR /app

FROM base AS package
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements/
COPY api api/
COPY client client/
COPY deploy deploy/
COPY models models/
COPY shared shared/
COPY training training/
COPY worker worker/
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM base AS api
# No dependencies: the layer below has them. No index: a foreign package named "mnistified" cannot be installed.
COPY --from=package /wheels /wheels
RUN pip install --no-index --no-deps --find-links /wheels -c /requirements/constraints.txt mnistified
COPY models models/
USER 10001
ENV API_HOST=0.0.0.0 API_PORT=5000
EXPOSE 5000
# Bypass proxies: Docker passes its own proxy settings into containers, and urllib uses them.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['API_PORT'] + '/healthz', timeout=3)"]
CMD ["python", "-m", "api"]

FROM base AS worker-base
ENV CELERY_WORKER_LOGLEVEL=info METRICS_HOST=0.0.0.0
RUN pip install -c /requirements/constraints.txt -r /requirements/worker.txt -r /requirements/onnx.txt

# No HEALTHCHECK for workers: a worker that cannot continue exits, and the API receives the heartbeats.
FROM worker-base AS worker
COPY --from=package /wheels /wheels
RUN pip install --no-index --no-deps --find-links /wheels -c /requirements/constraints.txt mnistified
COPY models models/
USER 10001
CMD ["celery", "-A", "worker.app", "worker", "--pool", "solo", "--hostname", "worker@%h", "--without-mingle", "--without-gossip"]

FROM worker-base AS worker-gpu
RUN pip install -c /requirements/constraints.txt -r /requirements/gpu.txt
COPY --from=package /wheels /wheels
RUN pip install --no-index --no-deps --find-links /wheels -c /requirements/constraints.txt mnistified
COPY models models/
USER 10001
ENV ENGINE=keras NVIDIA_DRIVER_CAPABILITIES=compute,utility
CMD ["celery", "-A", "worker.app", "worker", "--pool", "solo", "--hostname", "worker@%h", "--without-mingle", "--without-gossip"]

FROM base AS tasks
ENV CELERY_WORKER_LOGLEVEL=info
RUN pip install -c /requirements/constraints.txt -r /requirements/tasks.txt
COPY --from=package /wheels /wheels
RUN pip install --no-index --no-deps --find-links /wheels -c /requirements/constraints.txt mnistified
USER 10001
CMD ["celery", "-A", "worker.tasks.app", "worker", "--pool", "threads", "--concurrency", "32", "--hostname", "tasks@%h", "--without-mingle", "--without-gossip"]

FROM worker-base AS trainer
RUN pip install -c /requirements/constraints.txt -r /requirements/train.txt
COPY --from=package /wheels /wheels
RUN pip install --no-index --no-deps --find-links /wheels -c /requirements/constraints.txt mnistified
COPY models models/
# The trainer writes to these volumes, which are created with these owners.
RUN mkdir /trainings && chown -R mnistified /trainings models
USER 10001
CMD ["celery", "-A", "worker.tasks.trainer", "worker", "--pool", "threads", "--concurrency", "1", "--hostname", "trainer@%h", "--without-mingle", "--without-gossip"]

FROM base AS flower
RUN pip install -c /requirements/constraints.txt -r /requirements/flower.txt
COPY --from=package /wheels /wheels
RUN pip install --no-index --no-deps --find-links /wheels -c /requirements/constraints.txt mnistified
USER 10001
EXPOSE 5555
CMD ["python", "-m", "worker.flower", "--address=0.0.0.0", "--port=5555", "--max-tasks=10000", "--purge-offline-workers=3600", "--tasks-columns=name,args,result,state,runtime,received,worker,uuid"]

FROM nginx:1.28-alpine AS proxy
# The proxy creates a certificate if it gets none, and keeps it on a volume.
RUN apk add --no-cache openssl && install -d -o nginx -g nginx /certificate
COPY deploy/nginx /proxy/
USER nginx
EXPOSE 8080 8443
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT []
CMD ["sh", "/proxy/start.sh"]
