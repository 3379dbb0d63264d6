# The predictor's image, a measure at a time: the stages that tests/bench/images.py compares.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS base

# What one would type first. Without what pip keeps for the next time, which would come on top.
FROM base AS naive
COPY core core
COPY inference inference
RUN pip install --quiet --no-cache-dir 'kserve[storage]==0.21.0' mlflow==3.17.2 scikit-learn './core[s3]' './inference[server]'

# What the packages' metadata ask for: no MLflow, and of the clients of stores only that of S3.
FROM base AS asked-for
COPY core core
COPY inference inference
RUN pip install --quiet --no-cache-dir './core[s3]' './inference[server]'

# The lock: what is imported, with hashes.
FROM base AS imported
COPY requirements/build.txt requirements/inference.txt ./
RUN pip install --quiet --no-cache-dir -r build.txt
RUN pip install --quiet --no-cache-dir --no-deps --require-hashes -r inference.txt
COPY core core
COPY inference inference
RUN pip install --quiet --no-cache-dir --no-deps --no-build-isolation ./core ./inference

# Two stages: neither build tools nor sources in the result.
FROM base AS build
RUN (apt-get update && apt-get install --yes --no-install-recommends binutils && rm -r /var/lib/apt/lists/*) > /dev/null
WORKDIR /build
RUN python -m venv --without-pip /opt/regraft
COPY requirements/build.txt requirements/inference.txt requirements/inference.drop requirements/
RUN pip install --quiet --require-hashes -r requirements/build.txt \
    && pip --python /opt/regraft install --quiet --no-deps --no-compile --require-hashes -r requirements/inference.txt
COPY core core
COPY inference inference
RUN pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels ./core ./inference \
    && pip --python /opt/regraft install --quiet --no-deps --no-compile --no-index wheels/*.whl

FROM build AS build-all
RUN python -m compileall -q /opt/regraft || true

FROM base AS two-stages
COPY --from=build-all /opt/regraft /opt/regraft
ENV PATH=/opt/regraft/bin:$PATH

# Files that are never read at run time, debug information, parts of packages that are never imported.
FROM build AS build-stripped
COPY scripts/slim.sh scripts/
RUN scripts/slim.sh /opt/regraft requirements/inference.drop

FROM build-stripped AS build-stripped-all
RUN python -m compileall -q /opt/regraft

FROM base AS stripped
COPY --from=build-stripped-all /opt/regraft /opt/regraft
ENV PATH=/opt/regraft/bin:$PATH

FROM base AS no-bytecode
COPY --from=build-stripped /opt/regraft /opt/regraft
ENV PATH=/opt/regraft/bin:$PATH
