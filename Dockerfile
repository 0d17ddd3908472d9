# syntax=docker/dockerfile:1
# One image for the API, the workers and every other command of `narrows`:
#   docker build --target cpu -t narrows:cpu .
#   docker build --target cuda -t narrows:cuda .
# It has no HEALTHCHECK: what health is depends on the command; docker-compose.yml says it for each.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/narrows
ENV PATH=/opt/narrows/bin:$PATH
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
# Stand-ins for the code, so that a change of it does not install the dependencies again.
RUN mkdir narrows service worker migrations && touch narrows/__init__.py service/__init__.py worker/__init__.py

FROM build AS build-cpu
# Of equal versions pip takes the one with a local label: 2.13.0+cpu, a tenth of the size.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --extra-index-url https://download.pytorch.org/whl/cpu .
COPY narrows narrows
COPY service service
COPY worker worker
COPY migrations migrations
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --force-reinstall .

FROM build AS build-cuda
RUN --mount=type=cache,target=/root/.cache/pip pip install .
COPY narrows narrows
COPY service service
COPY worker worker
COPY migrations migrations
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --force-reinstall .

FROM python:3.13-slim-bookworm AS runtime
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
