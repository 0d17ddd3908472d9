# syntax=docker/dockerfile:1
# One image for the API, the workers and every other command of `narrows`:
#   docker build --target cpu -t narrows:cpu .
#   docker build --target cuda -t narrows:cuda .
# Packages come by the hashes of requirements.lock, but for torch, by its version: see .ci/lock. By its digest
# the base image comes with --build-arg PYTHON_IMAGE=…, which deploy/pin-images finds out.
# It has no HEALTHCHECK: what health is depends on the command; docker-compose.yml says it for each.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG TORCH=2.13.0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/narrows
ENV PATH=/opt/narrows/bin:$PATH
COPY requirements.lock .
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes -r requirements.lock

FROM ${PYTHON_IMAGE} AS wheel
RUN python -m venv /build
ENV PATH=/build/bin:$PATH
WORKDIR /src
COPY requirements-build.lock .
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY narrows narrows
COPY service service
COPY worker worker
COPY migrations migrations
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM build AS build-cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --index-url https://download.pytorch.org/whl/cpu "torch==$TORCH"
RUN --mount=from=wheel,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl

FROM build AS build-cuda
RUN --mount=type=cache,target=/root/.cache/pip pip install "torch==$TORCH"
RUN --mount=from=wheel,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE} AS runtime
# A named volume takes over the owner of the folder where it is mounted first.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin narrows \
    && install -d -o narrows -g narrows -m 0700 /data /data/cache /files /handover
ENV PATH=/opt/narrows/bin:$PATH \
    HOME=/tmp \
    NARROWS_DATA=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER narrows
EXPOSE 8000
ENTRYPOINT ["narrows"]

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-cuda /opt/narrows /opt/narrows

FROM runtime AS cpu
COPY --from=build-cpu /opt/narrows /opt/narrows
